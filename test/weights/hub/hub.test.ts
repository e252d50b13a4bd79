import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { KnackError } from "../../../src/base/errors.js";
import { createModel } from "../../../src/models/registry.js";
import { addon } from "../../../src/native/torch/addon.js";
import { xavierUniform } from "../../../src/nn/initialise.js";
import { stateDict } from "../../../src/nn/state-dict.js";
import { loadCheckpoint } from "../../../src/weights/checkpoint.js";
import type { HubOptions } from "../../../src/weights/hub/hub.js";
import { loadModel } from "../../../src/weights/load-model.js";
import { type PullOptions, pullModel } from "../../../src/weights/hub/pull-model.js";
import { encodeSafetensors } from "../../../src/weights/safetensors/safetensors.js";
import { inputError } from "../../support/input-error.js";
import { runPython } from "../../support/oracle.js";

addon.setThreads(1);

const NAME = "timm/resnet18_small.test_in1k";
const COMMIT = "0123456789abcdef0123456789abcdef01234567";

const CONFIG = {
  architecture: "resnet18_small",
  num_classes: 5,
  model_args: { width: 4 },
  pretrained_cfg: { input_size: [3, 32, 32], mean: [0, 0, 0], std: [1, 1, 1], interpolation: "bicubic", crop_pct: 1 },
};

const WEIGHTS = (() => {
  using model = createModel("resnet18_small", { classes: 5, inChannels: 3 }, { width: 4 });
  xavierUniform(model, 1);
  return Buffer.from(encodeSafetensors(stateDict(model)));
})();

const FILES = { "config.json": Buffer.from(JSON.stringify(CONFIG)), "model.safetensors": WEIGHTS };

/** One model on a hub that behaves in one way or another. */
interface Hub {
  files: Record<string, Buffer>;
  /** Answers in the hub's place where it returns true. */
  misbehave?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

/** Answers the requests of the hub's client as the hub does; files of weights lie on another server. */
function answer(hub: Hub, cdn: string, request: IncomingMessage, response: ServerResponse): void {
  const [path = "", , resolved] = /^[^?]*\/resolve\/([^/]+)\/([^?]+)/.exec(request.url ?? "") ?? [
    request.url?.split("?")[0],
  ];
  const json = (status: number, body: unknown, headers = {}) =>
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
  if (path === `/api/models/${NAME}/revision/main`) {
    const license = { cardData: { license: "apache-2.0" } };
    json(200, { _id: "1", id: NAME, sha: COMMIT, lastModified: "2024-01-01T00:00:00Z", ...license });
  } else if (path === `/api/models/${NAME}/paths-info/${COMMIT}`) {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      const { paths } = JSON.parse(body) as { paths: string[] };
      json(
        200,
        paths.flatMap((each) => (hub.files[each] ? [entryOf(each, hub.files[each])] : [])),
      );
    });
  } else if (resolved !== undefined && path.startsWith(`/${NAME}/resolve/${COMMIT}/`)) {
    const content = hub.files[resolved];
    if (!content) json(404, { error: "Entry not found" }, { "x-error-code": "EntryNotFound" });
    else if (resolved === "config.json") sendRange(content, request, response);
    else response.writeHead(302, { location: `${cdn}/cdn/${resolved}`, "x-linked-size": content.byteLength }).end();
  } else json(404, { error: "Repository not found" }, { "x-error-code": "RepoNotFound" });
}

function entryOf(path: string, content: Buffer): object {
  const size = content.byteLength;
  if (path === "config.json") {
    return { type: "file", path, size, oid: createHash("sha1").update(`blob ${size}\0`).update(content).digest("hex") };
  }
  const lfs = { oid: createHash("sha256").update(content).digest("hex"), size, pointerSize: 134 };
  return { type: "file", path, size, oid: "0".repeat(40), lfs };
}

function sendRange(content: Buffer, request: IncomingMessage, response: ServerResponse): void {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
  if (first === undefined || last === undefined) {
    response.writeHead(200, { etag: '"1"', "content-length": content.byteLength }).end(content);
    return;
  }
  const piece = content.subarray(Number(first), Number(last) + 1);
  const range = `bytes ${first}-${last}/${content.byteLength}`;
  response.writeHead(206, { etag: '"1"', "content-range": range, "content-length": piece.byteLength }).end(piece);
}

interface Asked {
  readonly url: string;
  readonly token: string | undefined;
}

/** Runs `body` with a hub of its own and an empty folder; afterwards nothing but what was pulled may be there. */
async function withHub(
  hub: Hub,
  body: (
    pull: (options?: PullOptions, name?: string) => ReturnType<typeof pullModel>,
    out: string,
    asked: Asked[],
  ) => Promise<void>,
): Promise<void> {
  const asked: Asked[] = [];
  const serve = (handle: (request: IncomingMessage, response: ServerResponse) => void) =>
    createServer((request, response) => {
      asked.push({ url: request.url ?? "", token: request.headers.authorization });
      if (!hub.misbehave?.(request, response)) handle(request, response);
    });
  const cdn = serve((request, response) => {
    const content = hub.files[(request.url ?? "").replace("/cdn/", "")];
    assert.ok(content);
    sendRange(content, request, response);
  });
  const server = serve((request, response) => answer(hub, addressOf(cdn), request, response));
  const folder = fs.mkdtempSync(join(tmpdir(), "knack-hub-"));
  const out = join(folder, "out");
  try {
    for (const each of [cdn, server]) await new Promise<void>((resolve) => each.listen(0, "127.0.0.1", resolve));
    const options: HubOptions = { url: `${addressOf(server)}/`, patienceSeconds: 20 };
    await body((more, name = NAME) => pullModel(name, out, { ...options, ...more }), out, asked);
    assert.deepEqual(
      fs.readdirSync(folder).filter((name) => name !== "out"),
      [],
    );
  } finally {
    for (const each of [cdn, server]) {
      each.closeAllConnections();
      each.close();
    }
    fs.rmSync(folder, { recursive: true });
  }
}

function addressOf(server: ReturnType<typeof createServer>): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** For `assert.rejects`: the run failed, and one line says why. */
function failure(message: RegExp) {
  return (error: unknown): true => {
    assert.ok(error instanceof KnackError && error.exitCode === 1, String(error));
    assert.match(error.message, message);
    assert.ok(!error.message.includes("\n"), error.message);
    return true;
  };
}

/** A hub whose answers to requests for this path go wrong. */
function broken(path: RegExp, misbehave: (response: ServerResponse) => void): Hub {
  return {
    files: FILES,
    misbehave: (request, response) => {
      if (!path.test(request.url ?? "")) return false;
      misbehave(response);
      return true;
    },
  };
}

test("a model is pulled and becomes a checkpoint", () =>
  withHub({ files: FILES }, async (pull, out, asked) => {
    const progress: [string, number, number][] = [];
    const { config } = await pull({
      token: "hf_secret",
      onProgress: (file, received, total) => progress.push([file, received, total]),
    });
    assert.equal(config.license, "apache-2.0");
    const checkpoint = loadCheckpoint(out);
    assert.deepEqual(checkpoint.config, config);
    assert.deepEqual(config.model_options, { width: 4 });
    assert.deepEqual(config.label_names, ["0", "1", "2", "3", "4"]);
    assert.deepEqual(Buffer.from(encodeSafetensors(checkpoint.weights)), WEIGHTS);
    assert.deepEqual(progress.at(-1), ["model.safetensors", WEIGHTS.byteLength, WEIGHTS.byteLength]);
    for (const { url, token } of asked) {
      assert.equal(token, url.startsWith("/cdn/") ? undefined : "Bearer hf_secret", url);
    }
    await assert.rejects(pull(), inputError(/out is not empty: choose another --out/));
  }));

test("PyTorch's own file is taken where there is no other", async () => {
  const folder = fs.mkdtempSync(join(tmpdir(), "knack-hub-"));
  try {
    const [file, output] = [join(folder, "resnet18.pth"), join(folder, "output")];
    runPython("torchvision_save.py", file, output);
    const config = { ...CONFIG, architecture: "resnet18", num_classes: 7, model_args: {} };
    const files = { "config.json": Buffer.from(JSON.stringify(config)), "pytorch_model.bin": fs.readFileSync(file) };
    await withHub({ files }, async (pull, out) => {
      const { tensors } = await pull();
      assert.equal(tensors, 122);
      loadModel(out, "cpu").model.dispose();
    });
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});

test("names of classes can be given", () =>
  withHub({ files: FILES }, async (pull, out) => {
    await assert.rejects(pull({ classNames: ["a"] }), inputError(/--classes: 1 names for 5 classes/));
    await pull({ classNames: ["a", "b", "c", "d", "e"] });
    assert.deepEqual(loadCheckpoint(out).config.label_names, ["a", "b", "c", "d", "e"]);
  }));

test("what the hub does not have, or knack cannot use, is said in one line", async () => {
  const config = (changes: object) => ({
    ...FILES,
    "config.json": Buffer.from(JSON.stringify({ ...CONFIG, ...changes })),
  });
  const cases: [Record<string, Buffer>, RegExp][] = [
    [{ "model.safetensors": WEIGHTS }, /timm\/resnet18_small\.test_in1k has no config\.json/],
    [{ "config.json": FILES["config.json"] }, /has neither model\.safetensors nor pytorch_model\.bin/],
    [config({ architecture: "vit_base_patch16_224" }), /no model "vit_base_patch16_224"; `knack models` lists them/],
    [config({ model_args: { stem_type: "deep" } }), /modelOptions\.stem_type: resnet18_small has no such option/],
    [config({ num_classes: 6 }), /none of them is for num_classes 6/],
    [config({ architecture: "resnet34_small" }), /model\.safetensors: the weights do not fit the model: \d+ missing/],
    [{ ...FILES, "config.json": Buffer.from("<html>\n") }, /config\.json is not JSON/],
    [{ ...FILES, "model.safetensors": Buffer.from("{}") }, /cannot be read as safetensors/],
  ];
  for (const [files, message] of cases) {
    await withHub({ files }, async (pull, out) => {
      await assert.rejects(pull(), inputError(message));
      assert.ok(!fs.existsSync(out));
    });
  }
});

test("names, revisions, tokens and addresses that are wrong are said", () =>
  withHub({ files: FILES }, async (pull, out, asked) => {
    await assert.rejects(pull({}, "timm/none"), inputError(/has no model or revision timm\/none \(status 404\)/));
    await assert.rejects(pull({ revision: "v2" }), inputError(/status 404/));
    const before = asked.length;
    for (const name of ["resnet50d", "../x", "timm/..", "a/b/c", "timm/x y"]) {
      await assert.rejects(pull({}, name), inputError(/is no model's name: it must be OWNER\/MODEL/));
    }
    await assert.rejects(pull({ token: "secret" }), inputError(/HF_TOKEN: a token of the hub starts with hf_/));
    await assert.rejects(pull({ url: "file:///etc" }), inputError(/HF_ENDPOINT: must be an address/));
    assert.equal(asked.length, before, "nothing was asked");
    assert.ok(!fs.existsSync(out));
  }));

test("a hub that refuses, fails, breaks off, lies or falls silent is an error of one line", async () => {
  const json = { "content-type": "application/json" };
  const weights = /^\/cdn\/model/;
  const changed = Buffer.from(WEIGHTS);
  changed[changed.length - 1] = 1;
  const cases: [Hub, (error: unknown) => true, PullOptions?][] = [
    [broken(/^\/api/, (response) => response.writeHead(401, json).end("{}")), inputError(/status 401.*set HF_TOKEN/)],
    [
      broken(/^\/api/, (response) => response.writeHead(403, json).end("{}")),
      inputError(/status 403.*HF_TOKEN may not read it/),
      { token: "hf_1" },
    ],
    [
      broken(/^\/api/, (response) => response.writeHead(503).end("busy\nbusy")),
      failure(/status 503 .*try again later/),
    ],
    [broken(/^\/api/, (response) => response.end("<html>")), failure(/cannot get timm\/.* from http/)],
    [broken(/paths-info/, (response) => response.writeHead(200, json).end("{}")), failure(/malformed response/)],
    [broken(/^\/api/, (response) => response.destroy()), failure(/cannot get timm\/.*: /)],
    [broken(weights, (response) => response.writeHead(500).end("x")), failure(/status 500/)],
    [broken(weights, (response) => sendThenBreak(response)), failure(/cannot get timm\/.*: /)],
    [
      broken(weights, (response) => whole(response, WEIGHTS.subarray(0, 1000))),
      failure(/model\.safetensors should have \d+ bytes, 1000 came; try again/),
    ],
    [
      broken(weights, (response) => whole(response, Buffer.concat([WEIGHTS, WEIGHTS]))),
      failure(/should have \d+ bytes, more came/),
    ],
    [broken(weights, (response) => whole(response, changed)), failure(/model\.safetensors came damaged: its hash/)],
    [
      broken(/\/resolve\/.*config/, (response) => whole(response, Buffer.alloc(FILES["config.json"].byteLength, " "))),
      failure(/config\.json came damaged/),
    ],
    [broken(/^\/api/, () => {}), failure(/has been silent for 0\.2 s/), { patienceSeconds: 0.2 }],
    [
      broken(weights, (response) => {
        if (response.req.headers.range) sendRange(WEIGHTS, response.req, response);
        else response.writeHead(200, { "content-length": WEIGHTS.byteLength }).write(WEIGHTS.subarray(0, 1000));
      }),
      failure(/has been silent for 0\.2 s/),
      { patienceSeconds: 0.2 },
    ],
  ];
  for (const [hub, expected, options] of cases) {
    await withHub(hub, async (pull, out) => {
      await assert.rejects(pull(options), expected);
      assert.ok(!fs.existsSync(out));
    });
  }
  await withHub({ files: FILES }, async (pull) => {
    await assert.rejects(
      pull({ url: "http://127.0.0.1:9" }),
      failure(/cannot get .*: (connect )?ECONNREFUSED|bad port/),
    );
    await assert.rejects(
      pull({ url: "http://127.0.0.1:49" }),
      failure(/cannot get .* from http:\/\/127\.0\.0\.1:49: /),
    );
  });
});

test("a file larger than knack takes is not fetched", async () => {
  const lie = (request: IncomingMessage, response: ServerResponse) => {
    if (!request.url?.includes("paths-info")) return false;
    const entry = { ...entryOf("config.json", FILES["config.json"]), size: 2 ** 40 };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify([entry]));
    return true;
  };
  await withHub({ files: FILES, misbehave: lie }, async (pull, _, asked) => {
    await assert.rejects(pull(), failure(/config\.json has 1099511627776 bytes, more than/));
    assert.ok(!asked.some(({ url }) => url.includes("resolve")));
  });
});

/** Sends these bytes as the whole file; what comes first only asks for the size and gets it. */
function whole(response: ServerResponse, content: Buffer): void {
  if (response.req.headers.range) {
    sendRange(content, response.req, response);
  } else response.writeHead(200, { "content-type": "application/octet-stream" }).end(content);
}

function sendThenBreak(response: ServerResponse): void {
  if (response.req.headers.range) sendRange(WEIGHTS, response.req, response);
  else {
    response.writeHead(200, { "content-length": WEIGHTS.byteLength });
    response.write(WEIGHTS.subarray(0, 1000), () => response.destroy());
  }
}
