/** Where knack keeps what can be made again, by the rules of the XDG base directories; folders that several processes make. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs, { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { userInfo } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { cacheFolder, homeFolder, makeFolder } from "../../src/base/folders.js";
import { scratchFolder } from "../support/scratch-folder.js";

const at = scratchFolder("folders");

/** What `body` gives with these variables; undefined removes one. */
function withEnvironment<T>(variables: Record<string, string | undefined>, body: () => T): T {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  const set = (name: string, value: string | undefined) => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  try {
    for (const [name, value] of Object.entries(variables)) set(name, value);
    return body();
  } finally {
    for (const [name, value] of before) set(name, value);
  }
}

const system = userInfo().homedir;

for (const [XDG_CACHE_HOME, HOME, home, cache] of [
  [undefined, "/home/a", "/home/a", "/home/a/.cache/knack"],
  ["/cache", "/home/a", "/home/a", "/cache/knack"],
  ["/cache", "", system, "/cache/knack"],
  ["", "/home/a", "/home/a", "/home/a/.cache/knack"],
  ["cache", "/home/a", "/home/a", "/home/a/.cache/knack"],
  ["./cache", "/home/a", "/home/a", "/home/a/.cache/knack"],
  ["~/cache", "/home/a", "/home/a", "/home/a/.cache/knack"],
  ["", "", system, join(system, ".cache/knack")],
  [undefined, "home", system, join(system, ".cache/knack")],
  ["../x", ".", system, join(system, ".cache/knack")],
  [undefined, undefined, system, join(system, ".cache/knack")],
] as const) {
  test(`XDG_CACHE_HOME=${XDG_CACHE_HOME} HOME=${HOME}`, () => {
    const found = withEnvironment({ XDG_CACHE_HOME, HOME }, () => [homeFolder(), cacheFolder()]);
    assert.deepEqual(found, [home, cache]);
  });
}

test("a user whom the system does not know has no home", (t) => {
  if (process.getuid?.() !== 0) return t.skip("only root can become another user");
  const module = new URL("../../src/base/folders.js", import.meta.url).href;
  const script = `import(${JSON.stringify(module)}).then((f) => console.log(f.homeFolder(), f.cacheFolder()))`;
  const { HOME: _, XDG_CACHE_HOME: __, ...env } = process.env;
  const options = { encoding: "utf8", uid: 54321, gid: 54321, env } as const;
  const { stdout, status, stderr } = spawnSync(process.execPath, ["-e", script], options);
  if (status !== 0 && /EACCES|ERR_MODULE_NOT_FOUND/.test(stderr))
    return t.skip("other users cannot read knack's files");
  assert.equal(stdout, "undefined undefined\n", stderr);
});

test("a folder that another process makes at the same moment is no error", () => {
  const { mkdirSync: make } = fs;
  // Whenever one is made, somebody else was faster.
  fs.mkdirSync = ((path: string) => {
    make(path);
    return make(path);
  }) as typeof make;
  syncBuiltinESMExports();
  try {
    makeFolder(at("made", "by", "two"));
  } finally {
    fs.mkdirSync = make;
    syncBuiltinESMExports();
  }
  assert.ok(statSync(at("made/by/two")).isDirectory());
});

test("eight processes that make the same parents all make their folder", async () => {
  const module = new URL("../../src/base/folders.js", import.meta.url).href;
  const script = `const { makeFolder } = await import(${JSON.stringify(module)});
    for (let i = 0; i < 100; i++) makeFolder(\`${at("race")}/\${i}/a/b/\${process.argv[1]}\`);`;
  const ends = Array.from({ length: 8 }, async (_, i) => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", script, `${i}`], { stdio: "inherit" });
    const [code] = await once(child, "exit");
    return code;
  });
  assert.deepEqual(await Promise.all(ends), Array(8).fill(0));
  for (let i = 0; i < 100; i++) assert.equal(readdirSync(at(`race/${i}/a/b`)).length, 8);
});

test("what is in the way of a folder is an error", () => {
  writeFileSync(at("file"), "");
  symlinkSync("nowhere", at("dangling"));
  for (const path of [at("file/inside"), at("dangling")]) assert.throws(() => makeFolder(path), /ENOTDIR|EEXIST/);
  mkdirSync(at("there"));
  makeFolder(at("there"));
  if (existsSync("/proc/self")) assert.throws(() => makeFolder("/proc/knack/run"), /ENOENT|EACCES/);
});
