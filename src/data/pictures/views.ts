import { InputError } from "../../base/errors.js";
import type { Tta } from "../../settings/test-time.js";
import { type EvaluationFormat, evaluationPixels } from "./evaluation-transform.js";
import { mirror } from "./mirror.js";
import type { PictureSource } from "./picture.js";
import type { CropPlace } from "./resize.js";

/** One of the ways in which a picture is seen at test time. */
export interface View {
  readonly place: CropPlace;
  readonly mirrored: boolean;
}

const CENTRE: View = { place: "centre", mirrored: false };
/** torchvision's FiveCrop. */
const FIVE = ["top-left", "top-right", "bottom-left", "bottom-right", "centre"] as const;

/**
 * The views whose logits are averaged; without a name only the usual one.
 *
 * @param format how pictures are seen
 * @param own whether the images have the network's size themselves
 * @throws InputError where they would all be the same
 */
export function viewsOf(
  tta: Tta | undefined,
  { resize, cropPct }: Pick<EvaluationFormat, "resize" | "cropPct">,
  own = false,
): View[] {
  if (tta === undefined) return [CENTRE];
  if (tta === "flip") return [CENTRE, { ...CENTRE, mirrored: true }];
  if (own || (resize !== "crop" && cropPct === 1)) {
    throw new InputError(
      "--tta five-crop: these pictures are seen as a whole, and five crops would be alike; take flip",
    );
  }
  return FIVE.map((place) => ({ place, mirrored: false }));
}

/** A picture in each view. @throws InputError as `evaluationPixels` */
export function viewPixels(
  source: PictureSource,
  format: EvaluationFormat,
  views: readonly View[],
): Promise<Uint8Array[]> {
  return Promise.all(
    views.map(async ({ place, mirrored }) => {
      const pixels = await evaluationPixels(source, { ...format, place });
      return mirrored ? mirror(pixels, format.size[1], format.channels) : pixels;
    }),
  );
}
