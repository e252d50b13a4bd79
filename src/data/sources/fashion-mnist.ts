import { existsSync } from "node:fs";
import { InputError } from "../../base/errors.js";
import type { DataSource } from "../image-set.js";
import { openIdx } from "./idx.js";
import type { SourceFormat } from "./source.js";

const CLASSES = [
  "T-shirt/top",
  "Trouser",
  "Pullover",
  "Dress",
  "Coat",
  "Sandal",
  "Shirt",
  "Sneaker",
  "Bag",
  "Ankle boot",
];

/** The folder Fashion-MNIST is looked for in: KNACK_FASHION_MNIST, or where Debian's dataset-fashion-mnist puts it. */
export function fashionMnistFolder(): string {
  return process.env.KNACK_FASHION_MNIST || "/usr/share/datasets/fashion-mnist";
}

/**
 * Fashion-MNIST: 60,000 training and 10,000 validation images, 28x28x1, 10 classes.
 *
 * @throws InputError where it is not installed, or as openIdx does
 */
export function openFashionMnist(): DataSource {
  const folder = fashionMnistFolder();
  if (!existsSync(folder)) {
    throw new InputError(
      `Fashion-MNIST is not in ${folder}: run \`npm run setup\` or \`apt-get install dataset-fashion-mnist\`, ` +
        "or set KNACK_FASHION_MNIST to the folder that holds its four IDX files",
    );
  }
  return openIdx(folder, "fashion-mnist", CLASSES);
}

export const fashionMnist: SourceFormat = {
  name: "fashion-mnist",
  words: '"fashion-mnist"',
  byName: true,
  recognises: ({ spec }) => spec === "fashion-mnist",
  open: openFashionMnist,
};
