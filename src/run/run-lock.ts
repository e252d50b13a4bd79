/**
 * `lock.json` in the folder of a run, or of an ablation, says which process writes there. The system holds the lock (flock) and lets go of it with
 * the process, however that ends; the file's text is for people, and for who comes next.
 */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readlinkSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { systemReason } from "../base/atomic-file.js";
import { InputError } from "../base/errors.js";
import { memoryKills } from "../base/limits.js";
import { tryLock } from "../native/process/process.js";
import { z } from "../settings/zod.js";

export const LOCK = "lock.json";

const writerSchema = z.strictObject({
  pid: z.int().positive(),
  host: z.string(),
  /** Of which processes `pid` is one, where the system has more than one such set: each container has its own. */
  processes: z.string().optional(),
  /** When it began to write, in ISO 8601. */
  since: z.string(),
  /** How many processes the kernel had killed for lack of memory until then. */
  memoryKills: z.int().min(0).optional(),
});

/** The process that writes a folder. */
export type Writer = z.infer<typeof writerSchema>;

export class FolderLock implements Disposable {
  private constructor(
    private readonly path: string,
    private readonly file: number,
    /** Whether nobody else can be writing: not known where the file system has no locks. */
    readonly excludes: boolean,
    /** Who wrote here before and did not come to its end; undefined where there was nobody. */
    readonly killed: Writer | undefined,
  ) {}

  /**
   * Where the file system has no locks (some network file systems), nobody is kept out.
   *
   * @param folder is there
   * @throws InputError where another process, or this one, writes it already, or it cannot be written
   */
  static take(folder: string): FolderLock {
    const path = join(folder, LOCK);
    for (;;) {
      const file = opened(path, folder);
      const locked = tryLock(file);
      const writer = readWriter(path);
      if (locked === false) {
        closeSync(file);
        throw new InputError(inUse(folder, writer));
      }
      // Its owner may have removed it, and somebody else made another, after this one was opened.
      if (statSync(path, { throwIfNoEntry: false })?.ino !== fstatSync(file).ino) {
        closeSync(file);
        continue;
      }
      const self: Writer = {
        pid: process.pid,
        host: hostname(),
        processes: processesHere(),
        since: new Date().toISOString(),
        memoryKills: memoryKills(),
      };
      ftruncateSync(file);
      writeSync(file, `${JSON.stringify(self)}\n`, 0);
      return new FolderLock(path, file, locked === true, locked ? writer : undefined);
    }
  }

  /** Whether who wrote here before was killed, and the kernel has killed for lack of memory since that began: most likely that process. */
  get killedForMemory(): boolean {
    const before = this.killed?.memoryKills;
    return before !== undefined && (memoryKills() ?? 0) > before;
  }

  [Symbol.dispose](): void {
    try {
      unlinkSync(this.path);
    } catch {
      // The folder was taken away: what held the writer up says so.
    }
    closeSync(this.file);
  }
}

function opened(path: string, folder: string): number {
  try {
    return openSync(path, "a+");
  } catch (error) {
    throw new InputError(
      `cannot write in ${folder}: ${systemReason(error)}; make it writable, or copy the folder and go on in the copy`,
      error,
    );
  }
}

function readWriter(path: string): Writer | undefined {
  try {
    return writerSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined; // new, or its process was killed while it wrote this
  }
}

/** Linux's name for the process numbers that this process sees. */
function processesHere(): string | undefined {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return undefined; // not Linux
  }
}

function inUse(folder: string, writer: Writer | undefined): string {
  if (writer === undefined) return `${folder} is being written by another process: wait until that has ended`;
  const { pid, host, processes, since } = writer;
  const by = `${folder} is being written by process ${pid}`;
  // Elsewhere that number is another process's, in a container often the first one's.
  if (host !== hostname()) return `${by} on ${host} since ${since}: wait until that has ended, or stop it there`;
  if (processes !== processesHere()) {
    return `${by} of another container of ${host} since ${since}: wait until that has ended, or stop it there`;
  }
  return `${by} since ${since}: wait until that has ended, or stop it (kill ${pid})`;
}
