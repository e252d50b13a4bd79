import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32, deflateSync } from "node:zlib";
import sharp, { type Sharp } from "sharp";

/** One odd file, and what is to become of it. */
export interface OddFile {
  /** Path relative to the folder. */
  readonly name: string;
  /** "good": a picture like any other; "bad": cannot be read, to be reported by its name; "other": no picture, not looked at. */
  readonly expected: "good" | "bad" | "other";
}

/** A folder of small pictures of two classes, "bright" and "dark", with odd files among the bright ones. */
export interface OddFolder {
  readonly folder: string;
  /** In each class, without the odd ones: large enough that the bad ones are less than 5 % of all. */
  readonly ordinary: number;
  readonly files: readonly OddFile[];
}

/** Writes such a folder: FOLDER/CLASS/x.jpg, 46 odd files of as many kinds. The same bytes each time. */
export async function writeOddFolder(folder: string, ordinary = 240): Promise<OddFolder> {
  for (const name of ["dark", "bright"]) {
    mkdirSync(join(folder, name), { recursive: true });
    for (let i = 0; i < ordinary; i++) {
      writeFileSync(
        join(folder, name, `${i}.jpg`),
        await picture(name === "dark" ? 40 : 200, i)
          .jpeg()
          .toBuffer(),
      );
    }
  }
  const odd = join(folder, "bright");
  const files: OddFile[] = [];
  const expect = (expected: OddFile["expected"], file: string) => files.push({ name: `bright/${file}`, expected });
  const write = (expected: OddFile["expected"], file: string, content: string | Uint8Array) => {
    writeFileSync(join(odd, file), content);
    expect(expected, file);
  };
  const link = (expected: OddFile["expected"], file: string, target: string) => {
    symlinkSync(target, join(odd, file));
    expect(expected, file);
  };
  let shade = 300;
  // Each another picture, so that none is a copy of another.
  const fresh = () => picture(200, shade++);
  const jpeg = () => fresh().jpeg().toBuffer();

  const whole = await jpeg();
  write("bad", "empty.jpg", "");
  write("bad", "empty.png", "");
  write("bad", "cut-off.jpg", whole.subarray(0, whole.length / 2));
  write("bad", "first-bytes.jpg", whole.subarray(0, 4));
  write("bad", "text.jpg", "This is no picture.\n");
  write("bad", "page.png", "<!doctype html><title>404</title>");
  write("bad", "drawing.jpg", '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
  write("bad", "no-pixels.png", png(0, 0));
  write("bad", "bomb.png", png(100_000, 100_000));
  write("bad", "cut-off.png", (await fresh().png().toBuffer()).subarray(0, 200));
  write("bad", "bitmap.jpg", Buffer.concat([Buffer.from("BM"), Buffer.alloc(100)]));
  write(
    "bad",
    "phone.jpg",
    Buffer.concat([Buffer.from("\0\0\0\x18ftypheic\0\0\0\0mif1heic", "latin1"), Buffer.alloc(100)]),
  );
  mkdirSync(join(odd, "folder.jpg"));
  expect("bad", "folder.jpg");
  spawnSync("mkfifo", [join(odd, "pipe.jpg")]);
  expect("bad", "pipe.jpg");
  link("bad", "endless.jpg", "/dev/zero");
  link("bad", "broken-link.jpg", "nowhere.jpg");
  link("bad", "circle.jpg", "circle.jpg");
  write(process.getuid?.() === 0 ? "good" : "bad", "secret.jpg", await jpeg());
  chmodSync(join(odd, "secret.jpg"), 0);
  writeFileSync(Buffer.concat([Buffer.from(`${odd}/caf`), Buffer.from([0xe9]), Buffer.from(".jpg")]), await jpeg());
  expect("bad", "caf\ufffd.jpg"); // Latin-1, which is no UTF-8

  write("good", "one-pixel.png", await solid(1, 1).png().toBuffer());
  write("good", "wide.jpg", await solid(60_000, 1).jpeg().toBuffer());
  write("good", "png-inside.jpg", await fresh().png().toBuffer());
  write("good", "cmyk.jpg", await fresh().toColourspace("cmyk").jpeg().toBuffer());
  write("good", "16-bit.png", await fresh().toColourspace("rgb16").png().toBuffer());
  write("good", "grey.jpg", await fresh().greyscale().jpeg().toBuffer());
  write("good", "grey-alpha.png", await fresh().ensureAlpha(0.5).toColourspace("b-w").png().toBuffer());
  write("good", "palette.png", await fresh().ensureAlpha(0.5).png({ palette: true }).toBuffer());
  write("good", "upright.jpg", await fresh().resize(32, 16).withMetadata({ orientation: 6 }).jpeg().toBuffer());
  write("good", "profile.jpg", await fresh().withIccProfile("p3").jpeg().toBuffer());
  write("good", "progressive.jpg", await fresh().jpeg({ progressive: true }).toBuffer());
  write("good", "tail.jpg", Buffer.concat([await jpeg(), Buffer.alloc(1000, "tail")]));
  write("good", "animated.gif", await animation(fresh(), fresh()));
  write("good", "modern.avif", await fresh().avif().toBuffer());
  write("good", "modern.webp", await fresh().webp().toBuffer());
  write("good", "scan.tiff", await fresh().tiff().toBuffer());
  write("good", "SHOUTED.JPG", await jpeg());
  write("good", "gr\u00fcn-\u82b1-\u{1f33b}.jpg", await jpeg());
  write("good", "two\nlines.jpg", await jpeg());
  write("good", '"quoted" \'<b>&[0]*? .jpg', await jpeg());
  write("good", `${"long".repeat(62)}.jpg`, await jpeg());
  writeFileSync(join(folder, ".elsewhere"), await jpeg());
  link("good", "link.jpg", "../.elsewhere");
  mkdirSync(join(odd, "inside", "deeper"), { recursive: true });
  write("good", "inside/deeper/nested.jpg", await jpeg());

  write("other", "notes.txt", "");
  write("other", "drawing.svg", "<svg/>");
  write("other", "phone.heic", "");
  link("other", "again", "..");
  writeFileSync(join(odd, ".hidden.jpg"), "hidden files are not there");
  return { folder, ordinary, files };
}

/** 32 x 32 pixels about as bright as `level`, another pattern for each number. */
function picture(level: number, number: number): Sharp {
  const pixels = Uint8Array.from(
    { length: 32 * 32 * 3 },
    (_, i) => level + ((((i + 1) * (2 * number + 1)) % 1009) % 37),
  );
  return sharp(pixels, { raw: { width: 32, height: 32, channels: 3 } });
}

function solid(width: number, height: number): Sharp {
  return sharp({ create: { width, height, channels: 3, background: "gold" } });
}

async function animation(...frames: Sharp[]): Promise<Buffer> {
  const pngs = await Promise.all(frames.map((frame) => frame.png().toBuffer()));
  return sharp(pngs, { join: { animated: true } })
    .gif()
    .toBuffer();
}

/** A PNG that says it is this large, with next to nothing in it. */
function png(width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8); // 8 bits, RGB
  const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(Buffer.alloc(10))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}
