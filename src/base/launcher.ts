/** What launchers (torchrun, Slurm, Kubernetes' PyTorchJob, `knack launch`) tell a process of its place among others, by its environment. */
import { InputError } from "./errors.js";

/** A process among those that train one model together. */
export interface Place {
  /** Its number among all, from 0, and how many there are. */
  readonly rank: number;
  readonly size: number;
  /** Its number among those of its machine, and how many these are. */
  readonly localRank: number;
  readonly localSize: number;
  /** Where rank 0 waits for the others. */
  readonly host: string;
  readonly port: number;
  /** How often a launcher has started the group again by itself. */
  readonly restarts: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** PyTorch's own, where nobody says another. */
const DEFAULT_PORT = 29_500;
/** From Slurm's job ids ports are made, so that two jobs on one machine do not meet. */
const SLURM_PORTS = 10_000;

/**
 * The place of this process; undefined where nobody started it as one of several.
 *
 * @throws InputError where what the environment says is half or wrong
 */
export function placeFrom(environment: Environment = process.env): Place | undefined {
  const place = fromTorch(environment) ?? fromSlurm(environment);
  if (place === undefined || place.size === 1) return undefined;
  const { rank, size, localRank, localSize } = place;
  if (rank >= size) throw new InputError(`RANK: is ${rank}, and WORLD_SIZE is ${size}: ranks count from 0`);
  if (localRank >= localSize) {
    throw new InputError(`LOCAL_RANK: is ${localRank}, and LOCAL_WORLD_SIZE is ${localSize}: ranks count from 0`);
  }
  return place;
}

/** How many processes of the group this machine has; 1 where there is none. Nothing of the environment is refused here. */
export function processesOfMachine(environment: Environment = process.env): number {
  try {
    return placeFrom(environment)?.localSize ?? 1;
  } catch {
    return 1;
  }
}

function fromTorch(environment: Environment): Place | undefined {
  const { RANK, WORLD_SIZE, MASTER_ADDR } = environment;
  if (RANK === undefined && WORLD_SIZE === undefined) return undefined;
  const size = whole(environment, "WORLD_SIZE", 1);
  if (size === 1) return { rank: 0, size, localRank: 0, localSize: 1, host: "", port: 0, restarts: 0 };
  const rank = whole(environment, "RANK", 0);
  if (!MASTER_ADDR) throw new InputError("MASTER_ADDR: is not set, and says where rank 0 is to be found");
  // torchrun keeps a store of its own at this port, in the protocol of its own version.
  const isTaken = environment.TORCHELASTIC_USE_AGENT_STORE === "True";
  const port = whole(environment, "MASTER_PORT", 1, DEFAULT_PORT) + (isTaken ? 1 : 0);
  return {
    rank,
    size,
    localRank: whole(environment, "LOCAL_RANK", 0, 0),
    localSize: whole(environment, "LOCAL_WORLD_SIZE", 1, environment.LOCAL_RANK === undefined ? 1 : size),
    host: MASTER_ADDR,
    port,
    restarts: whole(environment, "TORCHELASTIC_RESTART_COUNT", 0, 0),
  };
}

/** A task of `srun`; the script that `sbatch` runs is none, though it has some of these variables. */
function fromSlurm(environment: Environment): Place | undefined {
  const { SLURM_STEP_ID, SLURM_STEP_NUM_TASKS, SLURM_STEP_NODELIST, SLURM_STEP_TASKS_PER_NODE } = environment;
  if (!/^\d+$/.test(SLURM_STEP_ID ?? "") || SLURM_STEP_NUM_TASKS === undefined) return undefined;
  const tasks = tasksPerNode(SLURM_STEP_TASKS_PER_NODE ?? "1");
  const port = DEFAULT_PORT + (whole(environment, "SLURM_JOB_ID", 0, 0) % SLURM_PORTS);
  return {
    rank: whole(environment, "SLURM_PROCID", 0),
    size: whole(environment, "SLURM_STEP_NUM_TASKS", 1),
    localRank: whole(environment, "SLURM_LOCALID", 0),
    localSize: tasks[whole(environment, "SLURM_NODEID", 0, 0)] ?? 1,
    host: environment.MASTER_ADDR || firstHost(SLURM_STEP_NODELIST ?? "localhost"),
    port: whole(environment, "MASTER_PORT", 1, port),
    restarts: whole(environment, "SLURM_RESTART_COUNT", 0, 0),
  };
}

/** Slurm's "node[03-05,9],gpu7" -> "node03" */
export function firstHost(list: string): string {
  const [, before = "", first, after = ""] = /^([^,[]*)(?:\[([^\],-]+)[^\]]*\])?([^,[]*)/.exec(list) ?? [];
  return before + (first ?? "") + after;
}

/** Slurm's "4(x2),3" -> [4, 4, 3] */
export function tasksPerNode(list: string): number[] {
  return list.split(",").flatMap((part) => {
    const [, tasks = "1", nodes = "1"] = /^(\d+)(?:\(x(\d+)\))?$/.exec(part) ?? [];
    return Array.from({ length: Number(nodes) }, () => Number(tasks));
  });
}

function whole(environment: Environment, name: string, least: number, otherwise?: number): number {
  const text = environment[name];
  if (text === undefined && otherwise !== undefined) return otherwise;
  const number = /^\d{1,9}$/.test(text ?? "") ? Number(text) : -1;
  if (number >= least) return number;
  const is = text === undefined ? "is not set" : `is ${JSON.stringify(text)}`;
  throw new InputError(`${name}: ${is}, and must be a whole number from ${least} on, as torchrun sets it`);
}
