import { counted } from "../../../base/printable.js";
import { InputError } from "../../../base/errors.js";
import type { HeldOut } from "../../image-set.js";
import type { Labelled } from "../../sampling/assignment.js";
import { heldOutBy, heldOutOf, heldOutText } from "../../sampling/held-out.js";
import { type HeldImages, isDrawn, type SplitOptions } from "../../split-options.js";
import { joinedGroups } from "../../sampling/groups.js";
import { askedGroups, requireApart } from "./asked-groups.js";
import { heldByFile } from "../tables/split-file.js";
import { classesOfLabel, type LabelSets } from "../../split.js";
import type { OpenOptions } from "../source.js";
import { keptTogether } from "./kept-together.js";
import { type ListedPhotos, PhotoListing } from "./photo-listing.js";

/** Pictures of a listing. */
interface Pictures {
  readonly of: PhotoListing;
  /** Default: all. */
  readonly indices?: Uint32Array | undefined;
}

/** What is trained on, validated on and measured once, at the end. */
export interface PhotoParts {
  readonly train: Pictures;
  readonly validation: Pictures;
  readonly test?: Pictures | undefined;
  /** How validation pictures were chosen. */
  readonly split: "given" | HeldOut;
  /** Whether that, or a file, is not for the data set to say. */
  readonly isChosen: boolean;
  /** Names of pictures that are for nothing. */
  readonly unused?: readonly string[] | undefined;
  /** How it was divided, for people, each a part of a sentence. */
  readonly words: readonly string[];
}

/** Some of which may be missing yet. */
type KnownParts = Pick<PhotoParts, "train" | "test"> & { readonly validation?: Pictures | undefined };

/**
 * Divides the photographs that a reader found: as a file says, as the data set itself says, or by chance.
 *
 * @param held what an earlier run held out, in place of a choice
 * @param alike of pictures that look like others a number of their group, by name
 * @throws InputError where options and data do not go together
 */
export function photoParts(
  listed: ListedPhotos,
  options: SplitOptions,
  { held, alike }: Pick<OpenOptions, "held" | "alike"> = {},
): PhotoParts {
  const { file, group } = options;
  const heldOut = heldOutBy(options);
  const own = file === undefined ? ownParts(listed, options) : { train: { of: allOf(listed) } };
  const named = held ?? (file === undefined ? undefined : heldByFile(file, own.train.of, listed.from));
  const known = named ? withoutHeld(own, named) : own;
  const { train, validation } = known;
  if (held && !validation)
    throw new InputError(`of the pictures that the run held out none is in ${listed.from} any more`);
  if (file !== undefined && train.indices?.length === 0) {
    throw new InputError(`--split: ${file} leaves no pictures to train on`);
  }
  if (file !== undefined && validation && isDrawn(options) && !held) {
    throw new InputError(`--validation, --folds: ${file} says already which pictures are for validation; drop that`);
  }
  const groups = group === undefined || held ? undefined : askedGroups(group, listed.groups, allOf(listed).names());
  const byChance = validation === undefined || (held !== undefined && file === undefined);
  const together = alike && keptTogether(alike, picturesIn(train, listed.labelSets));
  const kinds = [groups, together].flatMap((kind) => (kind ? [kind.of] : []));
  const drawn = validation ? { train, validation } : drawnFrom(train, kinds, heldOut, listed);
  if (kinds.length > 0 && drawn.validation.indices?.length === 0) {
    throw new InputError(
      `${listed.from}: the pictures of each class are one group, so that none can be held out: give more of them, or another --group`,
    );
  }
  if (groups) requireApart(groups, namesOf({ ...drawn, test: known.test }));
  // As many runs as there are folds would each measure it.
  const left = options.folds === undefined ? undefined : known.test;
  return {
    ...drawn,
    test: left ? undefined : known.test,
    split: byChance ? heldOut : "given",
    isChosen: byChance || file !== undefined,
    unused: left && file !== undefined ? [...(named?.unused ?? []), ...(named?.test ?? [])] : named?.unused,
    words: [
      ...(file === undefined ? [] : fileWords(file, named)),
      ...(byChance ? [heldOutText(heldOut)] : []),
      ...(left ? [`${counted(left.indices?.length ?? left.of.count, "test picture")} left alone`] : []),
      ...(groups ? [groups.words] : []),
      ...(together ? together.words : []),
    ],
  };
}

/** Where other pictures are validated on, what is called a test is one. */
function ownParts(
  { train, validation, validationIsTest, test, from }: ListedPhotos,
  options: SplitOptions,
): KnownParts {
  const pictures = (of: PhotoListing | undefined) => of && { of };
  if (!isDrawn(options) || validation === undefined) {
    return { train: { of: train }, validation: pictures(validation), test: pictures(test) };
  }
  if (validationIsTest) return { train: { of: train }, test: pictures(validation) };
  throw new InputError(
    `--validation, --folds: ${from} has validation pictures of its own: drop that, say by --split FILE which pictures are for what, or give the training folder alone`,
  );
}

function allOf({ train, validation, test }: ListedPhotos): PhotoListing {
  const others = [validation, test].filter((part) => part !== undefined);
  return others.length === 0 ? train : PhotoListing.of([train, ...others]);
}

/** Of the training pictures those that are named for something else go there. */
function withoutHeld({ train: { of }, test }: KnownParts, held: HeldImages): KnownParts {
  const parts = new Map<string, keyof HeldImages>();
  for (const part of ["validation", "test", "unused"] as const) {
    for (const name of held[part] ?? []) parts.set(name, part);
  }
  const partOf = Array.from({ length: of.count }, (_, index) => parts.get(of.name(index)));
  const pictures = (part: keyof HeldImages | undefined): Pictures => {
    return { of, indices: Uint32Array.from(partOf.keys()).filter((index) => partOf[index] === part) };
  };
  const some = (part: Pictures) => (part.indices?.length === 0 ? undefined : part);
  return { train: pictures(undefined), validation: some(pictures("validation")), test: some(pictures("test")) ?? test };
}

function drawnFrom(
  { of, indices }: Pictures,
  groups: readonly ((name: string) => string | number | undefined)[],
  heldOut: HeldOut,
  { classes, labelSets }: ListedPhotos,
): Record<"train" | "validation", Pictures> {
  const at = (index: number) => indices?.[index] ?? index;
  const items: Labelled = {
    count: indices?.length ?? of.count,
    label: (index) => of.label(at(index)),
    labelSets,
    name: (index) => of.name(at(index)),
  };
  const kinds = groups.map((groupOf) => (index: number) => groupOf(items.name(index)));
  const group = kinds.length > 0 ? joinedGroups(items.count, kinds) : undefined;
  const { train, validation } = heldOutOf({ ...items, group }, heldOut, classes);
  return { train: { of, indices: train.map(at) }, validation: { of, indices: validation.map(at) } };
}

function picturesIn(
  { of, indices }: Pictures,
  labelSets: LabelSets | undefined,
): { name: string; labels: readonly number[] }[] {
  return Array.from(indices ?? of.names().keys(), (index) => {
    return { name: of.name(index), labels: classesOfLabel(of.label(index), labelSets) };
  });
}

function namesOf({
  train,
  validation,
  test,
}: Record<"train" | "validation", Pictures> & { test?: Pictures | undefined }) {
  const names = ({ of, indices }: Pictures) => (indices ? Array.from(indices, (index) => of.name(index)) : of.names());
  return { training: names(train), validation: names(validation), test: test ? names(test) : [] };
}

function fileWords(file: string, named: HeldImages | undefined): string[] {
  const unused = named?.unused?.length ?? 0;
  return [
    `divided by ${file}`,
    ...(unused > 0 ? [`${counted(unused, "picture")} that it does not list left out`] : []),
  ];
}
