/**
 * What the index of a large data set costs: `npm run bench:index -- [pictures]`, by default 1,300,000, as many as ImageNet has.
 * Listing the disk is left out: names and classes are made up, and the index is built from them as from a real listing.
 */
import { PhotoListing } from "../src/data/sources/photos/photo-listing.js";
import { photoName } from "../src/data/photos/photo-locations.js";
import { stratifiedSplit } from "../src/data/sampling/stratified-split.js";
import { permutation, randomFor } from "../src/tensor/random.js";

const count = Number(process.argv[2] ?? 1_300_000);
const CLASSES = 1000;
const perClass = Math.ceil(count / CLASSES);

const before = process.memoryUsage().rss;
let last = performance.now();
let highest = before;

function report(what: string): void {
  const { rss } = process.memoryUsage();
  highest = Math.max(highest, rss);
  const seconds = ((performance.now() - last) / 1000).toFixed(2).padStart(8);
  console.log(
    `${what.padEnd(52)} ${seconds} s ${((rss - before) / 1e6).toFixed(0).padStart(8)} MB more than at the start`,
  );
  last = performance.now();
}

console.log(`${count.toLocaleString("en")} pictures, ${CLASSES} classes`);
const folders = new PhotoListing("/data", "folders");
for (let i = 0; i < count; i++) {
  const label = Math.floor(i / perClass);
  const synset = `n${String(1440764 + label).padStart(8, "0")}`;
  folders.add(`train/${synset}`, `${synset}_${i % perClass}.JPEG`, label);
}
report("folders: listing");
const all = folders.select();
report("folders: locations that threads share");
const { train, validation } = stratifiedSplit(folders, 0.2, 0);
report(`folders: stratified split, ${train.length} + ${validation.length}`);
const kept = folders.select(train);
report("folders: locations of the training split");

const shards = new PhotoListing("/data", "tar files");
for (let i = 0; i < count; i++) {
  const member = { start: (i % 1000) * 110_000, length: 108_000 };
  shards.add(`shard-${Math.floor(i / 1000)}.tar`, `${String(i).padStart(8, "0")}.jpg`, i % CLASSES, member);
}
report("WebDataset: listing");
const packed = shards.select();
report("WebDataset: locations that threads share");

const order = permutation(count, randomFor(0, "order", 0));
report("order of an epoch");
let letters = 0;
for (const index of order) letters += photoName(all.locations, index).length;
report("names of all pictures in that order");

const bytes = ({ locations, labels }: typeof all) =>
  locations.names.byteLength +
  locations.nameEnds.byteLength +
  locations.containerOf.byteLength +
  labels.byteLength +
  (locations.members ? locations.members.starts.byteLength + locations.members.lengths.byteLength : 0);
console.log(
  `bytes a picture: folders ${(bytes(all) / count).toFixed(1)}, WebDataset ${(bytes(packed) / count).toFixed(1)}, ` +
    `order 4; highest ${((highest - before) / 1e6).toFixed(0)} MB more than at the start ` +
    `(${kept.labels.length} training pictures, ${(letters / count).toFixed(1)} letters a name)`,
);
