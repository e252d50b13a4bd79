import { createHash } from "node:crypto";
import * as fs from "node:fs/promises";
import { join } from "node:path";
import { downloadFile, HubApiError, modelInfo, type PathInfo, pathsInfo } from "@huggingface/hub";
import { systemReason } from "../../base/atomic-file.js";
import { InputError, KnackError } from "../../base/errors.js";

export interface HubOptions {
  /** Where the hub is; HF_ENDPOINT, or else the Hugging Face hub. */
  readonly url?: string;
  /** For private and gated models; HF_TOKEN. */
  readonly token?: string;
  /** A branch, a tag or a commit. */
  readonly revision?: string;
  /** How long the hub may be silent. */
  readonly patienceSeconds?: number;
  readonly onProgress?: (file: string, received: number, total: number) => void;
}

type Fetch = typeof fetch;

/** The files of one commit of a model on the Hugging Face hub, or on a server that speaks like it. */
export class HubModel {
  readonly #conversation: Conversation;
  readonly #onProgress: NonNullable<HubOptions["onProgress"]>;
  readonly #files: ReadonlyMap<string, PathInfo>;

  private constructor(
    readonly name: string,
    /** The commit's hash. */
    readonly commit: string,
    /** As the model's card says. */
    readonly license: string | undefined,
    files: readonly PathInfo[],
    conversation: Conversation,
    onProgress: HubOptions["onProgress"],
  ) {
    this.#files = new Map(files.map((file) => [file.path, file]));
    this.#conversation = conversation;
    this.#onProgress = onProgress ?? (() => {});
  }

  /**
   * Asks the hub about a model.
   *
   * @param name "OWNER/MODEL"
   * @param paths the files of interest
   * @throws InputError where there is no such model or revision, or it needs another token; KnackError where the hub
   *   cannot be reached or answers nonsense.
   */
  static async find(name: string, paths: readonly string[], options: HubOptions = {}): Promise<HubModel> {
    if (!/^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(name)) {
      throw new InputError(
        `${JSON.stringify(name)} is no model's name: it must be OWNER/MODEL, such as timm/resnet50d.gluon_in1k`,
      );
    }
    const { revision = "main", onProgress } = options;
    const conversation = new Conversation(name, options);
    return conversation.hold(async (access) => {
      const info = await modelInfo({ ...access, name, revision, additionalFields: ["sha", "cardData"] });
      const commit = info.sha ?? revision;
      const files = await pathsInfo({ ...access, repo: { type: "model", name }, paths: [...paths], revision: commit });
      const { license } = info.cardData ?? {};
      return new HubModel(name, commit, Array.isArray(license) ? license[0] : license, files, conversation, onProgress);
    });
  }

  has(path: string): boolean {
    return this.#files.has(path);
  }

  /**
   * Downloads a file, and checks its size and hash against what the hub says of it.
   *
   * @param largest bytes above which it is refused
   * @returns the file's place in `folder`
   * @throws InputError where there is no such file; KnackError where it is too large, damaged or does not come.
   */
  async download(path: string, folder: string, largest: number): Promise<string> {
    const { name, commit: revision } = this;
    const expected = this.#files.get(path);
    if (expected === undefined) throw new InputError(`${name} has no ${path}`);
    const { size } = expected;
    if (!Number.isSafeInteger(size) || size < 0) throw new KnackError(`${name}: the hub gives no size for ${path}`);
    if (size > largest)
      throw new KnackError(`${name}: ${path} has ${size} bytes, more than the ${largest} knack takes`);
    const target = join(folder, path);
    const hash = contentHash(expected);
    await this.#conversation.hold(async (access, stillThere) => {
      // Without the hub's chunk protocol (xet): plain HTTP gives the same bytes in one request.
      const blob = await downloadFile({ ...access, repo: { type: "model", name }, path, revision, xet: false });
      if (blob === null) throw new InputError(`${name} has no ${path}`);
      const file = await fs.open(target, "w");
      try {
        let received = 0;
        for await (const chunk of blob.stream() as unknown as AsyncIterable<Uint8Array>) {
          stillThere();
          received += chunk.byteLength;
          if (received > size) break;
          hash.update(chunk);
          await file.writeFile(chunk);
          this.#onProgress(path, received, size);
        }
        if (received !== size) {
          const came = received > size ? "more" : `${received}`;
          throw new KnackError(`${name}: ${path} should have ${size} bytes, ${came} came; try again`);
        }
      } finally {
        await file.close();
      }
    });
    if (hash.digest("hex") !== hash.expected) {
      throw new KnackError(`${name}: ${path} came damaged: its hash is not the one the hub gives; try again`);
    }
    return target;
  }
}

/** The hash by which the hub knows a file: SHA-256 of large ones, git's of the others. */
function contentHash({ lfs, oid, size }: PathInfo) {
  const hash = createHash(lfs ? "sha256" : "sha1");
  if (!lfs) hash.update(`blob ${size}\0`);
  return Object.assign(hash, { expected: lfs ? lfs.oid : oid });
}

interface Access {
  readonly hubUrl: string;
  readonly accessToken?: string;
  readonly fetch: Fetch;
}

/** Talks to the hub about one model, breaks off when it falls silent, and says in one line what went wrong. */
class Conversation {
  readonly #hubUrl: string;
  readonly #token: string | undefined;
  readonly #patience: number;

  constructor(
    private readonly name: string,
    { url, token, patienceSeconds = 60 }: HubOptions,
  ) {
    this.#hubUrl = (url ?? process.env.HF_ENDPOINT ?? "https://huggingface.co").replace(/\/+$/, "");
    if (!/^https?:$/.test(URL.canParse(this.#hubUrl) ? new URL(this.#hubUrl).protocol : "")) {
      throw new InputError(
        `HF_ENDPOINT: must be an address such as https://huggingface.co, not ${JSON.stringify(this.#hubUrl)}`,
      );
    }
    this.#token = token ?? (process.env.HF_TOKEN || undefined);
    if (this.#token !== undefined && !/^hf_[\w-]+$/.test(this.#token)) {
      throw new InputError("HF_TOKEN: a token of the hub starts with hf_; set the right one or none");
    }
    this.#patience = patienceSeconds;
  }

  /** @param body what to say; it calls `stillThere` whenever it has heard from the hub */
  async hold<T>(body: (access: Access, stillThere: () => void) => Promise<T>): Promise<T> {
    const ended = new AbortController();
    let breakOff: (silence: KnackError) => void;
    const silence = new Promise<never>((_, reject) => {
      breakOff = reject;
    });
    const timer = setTimeout(
      () => breakOff(new KnackError(`${this.#hubUrl} has been silent for ${this.#patience} s; try again later`)),
      this.#patience * 1000,
    );
    const access: Access = {
      hubUrl: this.#hubUrl,
      ...(this.#token === undefined ? {} : { accessToken: this.#token }),
      fetch: async (url, init) => {
        const response = await fetch(url, { ...init, signal: ended.signal });
        timer.refresh();
        return response;
      },
    };
    try {
      return await Promise.race([body(access, () => timer.refresh()), silence]);
    } catch (error) {
      throw this.#explained(error);
    } finally {
      clearTimeout(timer);
      ended.abort();
    }
  }

  #explained(error: unknown): KnackError {
    if (error instanceof KnackError) return error;
    if (error instanceof HubApiError) {
      const { statusCode: status } = error;
      // The hub answers 401 for models that are not there, so as not to tell which private ones are.
      if (status === 401 || status === 403) {
        const advice =
          this.#token === undefined ? "set HF_TOKEN if it is private or gated" : "or HF_TOKEN may not read it";
        return new InputError(
          `${this.#hubUrl} does not give ${this.name} (status ${status}): check the name; ${advice}`,
          error,
        );
      }
      if (status === 404)
        return new InputError(`${this.#hubUrl} has no model or revision ${this.name} (status 404)`, error);
      return new KnackError(`${this.#hubUrl} answered with status ${status} for ${this.name}; try again later`, {
        cause: error,
      });
    }
    return new KnackError(`cannot get ${this.name} from ${this.#hubUrl}: ${reasonOf(error)}`, { cause: error });
  }
}

/** The innermost reason: fetch says only "fetch failed". */
function reasonOf(error: unknown): string {
  const cause = (error as { cause?: unknown } | undefined)?.cause;
  if (cause instanceof Error && (cause.message !== "" || "code" in cause)) {
    return cause.message === "" ? String((cause as NodeJS.ErrnoException).code) : reasonOf(cause);
  }
  const message = error instanceof Error ? systemReason(error) : String(error);
  return message.replace(/\s+/g, " ");
}
