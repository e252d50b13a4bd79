import Table from "cli-table3";
import { Command } from "commander";
import { usableProcessors } from "../../base/limits.js";
import { counted, printable } from "../../base/printable.js";
import type { FoundSuspects, Suspect } from "../../suspects/find-suspects.js";
import { type Device, deviceOption } from "../options/compute-options.js";

const SHOWN = 15;
/** Characters of a name or path that a row has room for. */
const [NAME, PATH] = [12, 27];

interface SuspectsOptions {
  readonly out?: string;
  readonly device: Device;
  readonly json?: boolean;
}

/** `knack suspects`: the pictures whose label is probably wrong. */
export function suspectsCommand(): Command {
  return new Command("suspects")
    .description(
      "find the pictures whose label is probably wrong: a table, a list for train --exclude, a page with pictures",
    )
    .argument("<run>", "the folder of a training in folds (all its images), or a run's (those it held out)")
    .option(
      "--out <file>",
      "the list, a .csv, with the page as .html beside it (default: suspects.csv in the run's folder)",
    )
    .addOption(deviceOption())
    .option(
      "--json",
      'print [{"image":…,"class":…,"predicted":…,"ofClass":…,"confidence":…}], the least likely label first',
    )
    .action(async (run: string, { out, device, json }: SuspectsOptions) => {
      // Only here, so that the other commands start without the engine.
      const { writeSuspects } = await import("../../suspects/write-suspects.js");
      const found = await writeSuspects(run, { device, workers: usableProcessors() }, out);
      if (json) console.log(JSON.stringify(found.suspects.map((suspect) => asJson(found.classes, suspect))));
      else
        console.log(
          [tableOf(found), ...remarksOf(run, found), `written: ${found.files.csv}, ${found.files.html}`].join("\n"),
        );
    });
}

function asJson(classes: readonly string[], { name, label, predicted, ofLabel, confidence }: Suspect) {
  return { image: name, class: classes[label], predicted: classes[predicted], ofClass: ofLabel, confidence };
}

function tableOf({ suspects, classes }: FoundSuspects): string {
  const table = new Table({
    head: ["", "picture", "label", "p", "rather", "p"],
    colAligns: ["right", "left", "left", "right", "left", "right"],
    style: { head: [], border: [], compact: true },
  });
  const percent = (fraction: number) => `${(100 * fraction).toFixed(1)} %`;
  const end = (path: string) => (path.length > PATH ? `…${path.slice(1 - PATH)}` : path);
  for (const [at, { name, label, predicted, ofLabel, confidence }] of suspects.slice(0, SHOWN).entries()) {
    const [is, rather] = [label, predicted].map((each) => printable(classes[each] as string, NAME));
    table.push([at + 1, end(printable(name)), is, percent(ofLabel), rather, percent(confidence)]);
  }
  return table.toString();
}

function remarksOf(run: string, { suspects, images, agreeing, folds }: FoundSuspects): string[] {
  const more = suspects.length > SHOWN ? `, of which ${SHOWN} are shown` : "";
  const whole = images.toLocaleString("en");
  return [
    `${counted(suspects.length, "probably wrong label")} among ${whole} images${more}`,
    `of all labels ${((100 * agreeing) / images).toFixed(1)} % are what the network${folds > 0 ? "s" : ""} would say: where that is little, it may be the network that is wrong`,
    ...(folds > 0
      ? []
      : [`looked at are only the images that ${run} held out; knack train DATA --folds 5 lets all be looked at`]),
    "look at the page, take those that are labelled right out of the list, and train by --exclude",
  ];
}
