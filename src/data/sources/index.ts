import { cifar } from "./cifar.js";
import { fashionMnist } from "./fashion-mnist.js";
import { idx } from "./idx.js";
import { photoCsv } from "./photo-csv.js";
import { photoFolder } from "./photo-folder.js";
import type { PhotoFormat, SourceFormat } from "./source.js";
import { webdataset } from "./webdataset.js";

/** The kinds of photograph data sets. */
export const PHOTO_SOURCES: readonly PhotoFormat[] = [photoFolder, photoCsv, webdataset];

/** All kinds of data sets, in the order in which a place is shown to them; the first that recognises it opens it. */
export const SOURCES: readonly SourceFormat[] = [fashionMnist, idx, cifar, ...PHOTO_SOURCES];
