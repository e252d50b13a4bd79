type Variant = "v1" | "b" | "c" | "d";

/** The names a ResNet's forms have in the registry: resnet50_v1, resnet50, resnet50c, resnet50d. */
const SUFFIX: Readonly<Record<Variant, string>> = { v1: "_v1", b: "", c: "c", d: "d" };
const IMAGENET_DEPTHS = [18, 34, 50, 101, 152];
const CIFAR_DEPTHS = [20, 32, 44, 56];

/** One of ImageNet's ResNets by its name in the registry, `_small` or not; undefined for other networks. */
export function imageNetResNet(model: string) {
  const [, depthText = "", form = "", small = ""] = /^resnet(\d+)(_v1|c|d)?(_small)?$/.exec(model) ?? [];
  const depth = Number(depthText);
  if (!IMAGENET_DEPTHS.includes(depth)) return undefined;
  const variant: Variant = form === "_v1" ? "v1" : form === "c" || form === "d" ? form : "b";
  return { depth, variant, as: (wanted: Variant) => `resnet${depth}${SUFFIX[wanted]}${small}` };
}

/** The next deeper ResNet of the same kind; the network itself where there is none. */
export function nextDeeper(model: string): string {
  return model.replace(/^(resnet)(\d+)/, (same, resnet: string, depth: string) => {
    const depths = [IMAGENET_DEPTHS, CIFAR_DEPTHS].find((each) => each.includes(Number(depth))) ?? [];
    const next = depths[depths.indexOf(Number(depth)) + 1];
    return next === undefined ? same : `${resnet}${next}`;
  });
}
