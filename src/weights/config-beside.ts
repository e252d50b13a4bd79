import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { MODELS } from "../models/registry.js";
import { type CheckpointConfig, parseConfig } from "./config.js";

export const CONFIG = "config.json";

/**
 * What `config.json` beside a file of weights says, in the form of timm's models on the Hugging Face hub and of knack's checkpoints;
 * undefined where there is none, or one of another program or for a model that knack does not have.
 *
 * @throws InputError that names the key of what knack cannot follow
 */
export function configBeside(file: string): CheckpointConfig | undefined {
  const path = join(dirname(file), CONFIG);
  if (!existsSync(path)) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
  const named = typeof json === "object" && json !== null && "architecture" in json ? json.architecture : undefined;
  return typeof named === "string" && MODELS.has(named) ? parseConfig(json, path) : undefined;
}
