import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { InputError, KnackError } from "../base/errors.js";
import type { Place } from "../base/launcher.js";
import { loadCollectives } from "../native/group/collectives.js";
import { noGradient } from "./autograd.js";
import { operator } from "./operator.js";
import { concatenate, full, narrow } from "./ops.js";
import { scope } from "./scope.js";
import { Tensor } from "./tensor.js";

const knack_open_store = operator("knack::open_store");
const knack_claim = operator("knack::claim");
const knack_has = operator("knack::has");
const knack_read = operator("knack::read");
const knack_connect = operator("knack::connect");
const knack_begin_sum = operator("knack::begin_sum");
const knack_finish_sums = operator("knack::finish_sums");
const knack_broadcast = operator("knack::broadcast");
const knack_gather = operator("knack::gather");
const knack_batch_norm = operator("knack::batch_norm");
const knack_set_busy = operator("knack::set_busy");
const knack_verdict = operator("knack::verdict");
const knack_fail = operator("knack::fail");
const knack_leave = operator("knack::leave");

/** So many times as long as a running group waits for a process, one that begins does: machines do not start at once. */
const PATIENCE_AT_START = 10;
/** How often the store is asked for what somebody is to write there. */
const ASK_MS = 20;

/** The group has ended before its time; the message says by whose doing. */
export class GroupError extends KnackError {}

export interface GroupOptions {
  readonly place: Place;
  /** Seconds after which a process that others wait for, or that is silent, ends the group. */
  readonly timeout: number;
  /** Of the whole group; another group at the same address is told by it. */
  readonly shouldStop: () => boolean;
}

/**
 * The processes that compute together, by c10d of libtorch over Gloo. All methods but `fail` are to be called by all processes in the same order, and
 * wait for the others.
 *
 * @throws GroupError, each of them, where another process has ended, hangs or is cut off
 */
export class ProcessGroup {
  readonly rank: number;
  readonly size: number;
  /** What each process is called in messages: "rank 1 (node7, process 4711)" */
  readonly names: readonly string[];

  private constructor({ rank, size }: Place, names: readonly string[]) {
    this.rank = rank;
    this.size = size;
    this.names = names;
  }

  /**
   * Waits until all processes have come.
   *
   * @returns undefined where the run is to stop before
   * @throws InputError where the address is wrong or taken, or there are others than this group's; GroupError where some do not come
   */
  static async join({ place, timeout, shouldStop }: GroupOptions): Promise<ProcessGroup | undefined> {
    loadCollectives();
    const { rank, size, host, port, restarts } = place;
    const patience = PATIENCE_AT_START * timeout;
    openStore(place, patience);
    const own = JSON.stringify({ host: hostname(), pid: process.pid, size, restarts });
    const held = knack_claim(`process/${rank}`, own) as string;
    const mine = parsed(held);
    if (held !== own) {
      throw new InputError(
        `rank ${rank} of the group at ${host}:${port} is process ${mine.pid} on ${mine.host} already: give each process a RANK, and each group a MASTER_PORT, of its own`,
      );
    }
    const until = performance.now() + 1000 * patience;
    const all: Claim[] = [];
    for (let other = 0; other < size; other++) {
      while (!knack_has(`process/${other}`)) {
        if (shouldStop()) return undefined;
        if (performance.now() > until) throw new GroupError(missing(place, patience));
        await delay(ASK_MS);
      }
      all.push(parsed(knack_read(`process/${other}`) as string));
    }
    for (const [other, claim] of all.entries()) {
      if (claim.size === size && claim.restarts === restarts) continue;
      const what = claim.size === size ? "start" : "WORLD_SIZE";
      const [theirs, ours] = claim.size === size ? [claim.restarts, restarts] : [claim.size, size];
      throw new InputError(
        `rank ${other} (${claim.host}) belongs to another group: its ${what} is ${theirs}, that of rank ${rank} ${ours}`,
      );
    }
    const names = all.map(({ host: name, pid }, other) => `rank ${other} (${name}, process ${pid})`);
    const group = new ProcessGroup(place, names);
    group.#collective(() => knack_connect(names.join("\n"), timeout));
    return group;
  }

  /** What this process is called in messages. */
  get name(): string {
    return this.names[this.rank] as string;
  }

  /** Adds tensors up over all processes, in place: of any shapes, of one dtype. */
  sum(tensors: readonly Tensor[]): void {
    this.beginSum(tensors);
    this.finishSums();
  }

  /** The same, begun: the tensors are to be left alone until `finishSums`. */
  beginSum(tensors: readonly Tensor[]): void {
    this.#collective(() => noGradient(() => knack_begin_sum(tensors)));
  }

  /** Waits for all sums that were begun. */
  finishSums(): void {
    this.#collective(() => noGradient(() => knack_finish_sums()));
  }

  /**
   * Batch normalisation in training by the statistics of all processes' inputs; its backward pass is one of all of them too.
   *
   * @param input [N, C, H, W] float32
   * @param values numbers of each channel, in all of them
   * @returns the output, and each channel's mean and variance (of all values, not unbiased)
   */
  batchNorm(input: Tensor, weight: Tensor, bias: Tensor, values: number, eps: number): Tensor[] {
    return this.#collective(() => knack_batch_norm(input, weight, bias, values, eps) as Tensor[]);
  }

  /** Copies the tensors of rank 0 over those of all others. */
  broadcast(tensors: readonly Tensor[]): void {
    this.#collective(() => noGradient(() => knack_broadcast(tensors, 0)));
  }

  /** The rows of all processes, in the order of their ranks. @param rows [N, ...], N another one in each */
  gatherRows(rows: Tensor): Tensor {
    return noGradient(() =>
      scope(() => {
        const [count = 0, ...row] = rows.shape;
        const counts = this.#gathered(Tensor.from(Float64Array.of(count))).map((each) => each.toArray()[0] as number);
        const most = Math.max(...counts);
        const filled =
          count === most ? rows : concatenate([rows, full([most - count, ...row], 0, rows.dtype, rows.device)], 0);
        return concatenate(
          this.#gathered(filled).map((each, rank) => narrow(each, 0, 0, counts[rank] as number)),
          0,
        );
      }),
    );
  }

  /** What all processes say, in the order of their ranks. */
  exchange(text: string): string[] {
    return scope(() => {
      const bytes = this.gatherRows(bytesOf(text)).bytes();
      const lengths = this.gatherRows(Tensor.from(Float64Array.of(Buffer.byteLength(text) + 1))).toArray();
      let start = 0;
      return lengths.map((length) => {
        const end = start + length;
        const own = bytes.subarray(start, end - 1);
        start = end;
        return Buffer.from(own).toString("utf8");
      });
    });
  }

  /** Whether any process says so. */
  any(flag: boolean): boolean {
    return scope(() => {
      const flags = Tensor.from(Float32Array.of(flag ? 1 : 0));
      this.sum([flags]);
      return flags.toArray()[0] !== 0;
    });
  }

  /** Whether this process is at what takes as long as it takes, so that others wait for it without end: files, a data set. */
  set busy(busy: boolean) {
    knack_set_busy(busy);
  }

  /** Why the group has ended before its time; undefined while it has not. */
  get ended(): string | undefined {
    return (knack_verdict() as string) || undefined;
  }

  /** Ends the group for all: this process cannot go on. */
  fail(reason: string): void {
    knack_fail(`${this.name} has ended: ${reason}`);
  }

  /** The group has done what it was for. */
  leave(): void {
    this.any(false);
    knack_leave();
  }

  #gathered(tensor: Tensor): Tensor[] {
    return this.#collective(() => knack_gather(tensor) as Tensor[]);
  }

  #collective<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      const reason = this.ended ?? (error instanceof Error ? error.message.split("\n", 1)[0] : String(error));
      throw new GroupError(`the processes that train together have stopped: ${reason}`, { cause: error });
    }
  }
}

/** What a process writes into the store. */
interface Claim {
  readonly host: string;
  readonly pid: number;
  readonly size: number;
  readonly restarts: number;
}

function parsed(claim: string): Claim {
  return JSON.parse(claim) as Claim;
}

/** Bytes as a tensor, never none: a 0 ends them. */
function bytesOf(text: string): Tensor {
  return Tensor.from(Uint8Array.from(Buffer.from(`${text}\0`, "utf8")));
}

function openStore({ rank, size, host, port }: Place, patience: number): void {
  try {
    knack_open_store(host, port, rank, size, patience);
  } catch (cause) {
    const [reason = ""] = (cause instanceof Error ? cause.message : String(cause)).split("\n", 1);
    const what =
      rank === 0
        ? `rank 0 cannot wait for the others at ${host}:${port}: another program may have that port; give another MASTER_PORT`
        : `rank ${rank} found nobody at ${host}:${port} within ${patience} s: give rank 0's address as MASTER_ADDR and MASTER_PORT`;
    throw new InputError(`${what} (${reason})`, cause);
  }
}

function missing({ size, host, port }: Place, patience: number): string {
  const absent = Array.from({ length: size }, (_, rank) => rank).filter((rank) => !knack_has(`process/${rank}`));
  return `of ${size} processes ${absent.length === 1 ? "rank" : "ranks"} ${absent.join(", ")} did not come to ${host}:${port} within ${patience} s`;
}
