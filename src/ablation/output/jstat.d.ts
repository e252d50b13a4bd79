/** The package has no types of its own; this is what is used of it. */
declare module "jstat" {
  const jStat: {
    readonly studentt: {
      /** The p-quantile of Student's t with `degrees` of freedom. */
      inv(p: number, degrees: number): number;
    };
  };
  export = jStat;
}
