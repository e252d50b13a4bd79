import assert from "node:assert/strict";
import { test } from "node:test";
import { firstHost, placeFrom, processesOfMachine, tasksPerNode } from "../../src/base/launcher.js";

const torch = {
  RANK: "3",
  WORLD_SIZE: "4",
  LOCAL_RANK: "1",
  LOCAL_WORLD_SIZE: "2",
  MASTER_ADDR: "node7",
  MASTER_PORT: "1234",
};

test("torchrun's variables", () => {
  const place = { rank: 3, size: 4, localRank: 1, localSize: 2, host: "node7", port: 1234, restarts: 0 };
  assert.deepEqual(placeFrom(torch), place);
  // The agent of torchrun keeps a store of its own there.
  assert.deepEqual(placeFrom({ ...torch, TORCHELASTIC_USE_AGENT_STORE: "True", TORCHELASTIC_RESTART_COUNT: "2" }), {
    ...place,
    port: 1235,
    restarts: 2,
  });
  assert.equal(processesOfMachine(torch), 2);
  assert.equal(placeFrom({}), undefined);
  assert.equal(placeFrom({ RANK: "0", WORLD_SIZE: "1" }), undefined);
});

test("PyTorchJob says nothing of a machine's processes: there is one", () => {
  const { LOCAL_RANK: _, LOCAL_WORLD_SIZE: __, ...job } = torch;
  assert.deepEqual([placeFrom(job)?.localRank, placeFrom(job)?.localSize], [0, 1]);
});

test("what is half or wrong is refused by the variable's name", () => {
  assert.throws(() => placeFrom({ RANK: "1" }), /^InputError: WORLD_SIZE: is not set/);
  assert.throws(() => placeFrom({ ...torch, MASTER_ADDR: "" }), /^InputError: MASTER_ADDR: is not set/);
  assert.throws(() => placeFrom({ ...torch, RANK: "four" }), /^InputError: RANK: is "four"/);
  assert.throws(() => placeFrom({ ...torch, RANK: "4" }), /^InputError: RANK: is 4, and WORLD_SIZE is 4/);
  assert.throws(() => placeFrom({ ...torch, LOCAL_RANK: "2" }), /^InputError: LOCAL_RANK: is 2/);
});

test("Slurm's variables, of tasks that srun started", () => {
  const slurm = {
    SLURM_STEP_ID: "0",
    SLURM_PROCID: "5",
    SLURM_NODEID: "1",
    SLURM_LOCALID: "1",
    SLURM_STEP_NUM_TASKS: "7",
    SLURM_STEP_TASKS_PER_NODE: "4,3",
    SLURM_STEP_NODELIST: "gpu[03-04]",
    SLURM_JOB_ID: "123456",
  };
  assert.deepEqual(placeFrom(slurm), {
    rank: 5,
    size: 7,
    localRank: 1,
    localSize: 3,
    host: "gpu03",
    port: 32956,
    restarts: 0,
  });
  // The script that sbatch runs has most of these, too.
  assert.equal(placeFrom({ SLURM_PROCID: "0", SLURM_NTASKS: "7", SLURM_JOB_ID: "1" }), undefined);
  assert.deepEqual(tasksPerNode("4(x2),3"), [4, 4, 3]);
  assert.deepEqual(["n1", "n[01-03,7]-ib", "a5,b6", "n[3,5]"].map(firstHost), ["n1", "n01-ib", "a5", "n3"]);
});
