/**
 * Every message that the sources have for people, found by TypeScript's own parser: in the words of the source, with … for what is put
 * in. Read are the errors of knack's own classes, warnings, the words of schemas, what is written to standard error, and all errors of the
 * set-up. Any other class of error (Error, TypeError) is for who changes knack or calls a function against its types, and is left out.
 */
import { join, relative } from "node:path";
import {
  type CallExpression,
  type ClassDeclaration,
  type FunctionDeclaration,
  isArrowFunction,
  isBinaryExpression,
  isBlock,
  isCallExpression,
  isClassDeclaration,
  isConditionalExpression,
  isFunctionDeclaration,
  isIdentifier,
  isMethodDeclaration,
  isNewExpression,
  isNoSubstitutionTemplateLiteral,
  isParameterDeclaration,
  isParenthesizedExpression,
  isPrivateIdentifier,
  isPropertyAccessExpression,
  isPropertyAssignment,
  isReturnStatement,
  isShorthandPropertyAssignment,
  isStringLiteral,
  isTemplateExpression,
  isVariableDeclaration,
  type Node,
  type ParameterDeclaration,
  type SourceFile,
  SyntaxKind,
} from "typescript/unstable/ast";
import { API, type Project, SymbolFlags } from "typescript/unstable/sync";
import { repositoryRoot } from "./oracle.js";

export interface Message {
  readonly words: string;
  /** "src/base/lack.ts:29" */
  readonly place: string;
}

export interface Messages {
  readonly messages: readonly Message[];
  /** Where people read something whose words are not beside it, as `src/cli/main.ts: error.message`: what is made elsewhere, and only passed on. */
  readonly passedOn: readonly string[];
}

/** The error that all others of knack extend. */
const ROOT_CLASS = "KnackError";
/** What is put in by values. A message that is nothing else only passes one on, which is found where it is made. */
const FILLED = "…";
/** Calls whose argument is read by people. */
const TOLD = /^(console\.error|process\.emitWarning|tell)$/;
/** Properties whose value is read by people: of events, of problems with a key, of schemas, of weights. */
const TEXT_KEYS = new Set(["message", "error", "insteadOf", "warnings"]);
/** Over how many constants, parameters and functions words are followed to where they are written. */
const FAR = 2;

/** What runs before anything is compiled. */
const PLAIN = [
  "bin/knack.js",
  ...["setup", "build-addon", "find-libtorch", "find-onednn", "from-pip"].map((name) => `scripts/${name}.mjs`),
];

export function messagesOfSources(): Messages {
  const config = join(repositoryRoot, "tsconfig.json");
  const plain = PLAIN.map((name) => join(repositoryRoot, name));
  const api = new API();
  try {
    const snapshot = api.updateSnapshot({ openProjects: [config], openFiles: plain });
    const compiled = snapshot.getProject(config);
    if (compiled === undefined) throw new Error(`${config} cannot be read`);
    const names = compiled.program.getSourceFileNames().filter((name) => name.startsWith(join(repositoryRoot, "src/")));
    const files = [...names, ...plain].map((name): [Project, SourceFile] => {
      const project = names.includes(name) ? compiled : snapshot.getDefaultProjectForFile(name);
      const file = project?.program.getSourceFile(name);
      if (project === undefined || file === undefined) throw new Error(`${name} cannot be read`);
      return [project, file];
    });
    return new Reader(files).read();
  } finally {
    api.close();
  }
}

/** Reads the messages of some files, following words to where they are made. */
class Reader {
  readonly #ownMessages: ReadonlyMap<string, Node | undefined>;
  readonly #calls = new Map<string, [Project, CallExpression][]>();

  constructor(readonly files: readonly (readonly [Project, SourceFile])[]) {
    for (const [project, file] of files) {
      everyNode(file, (node) => {
        if (!isCallExpression(node)) return;
        const name = nameOf(node.expression);
        this.#calls.set(name, [...(this.#calls.get(name) ?? []), [project, node]]);
      });
    }
    this.#ownMessages = classesOfErrors(files.map(([, file]) => file));
  }

  read(): Messages {
    const messages: Message[] = [];
    const passedOn = new Set<string>();
    for (const [project, file] of this.files) {
      const name = relative(repositoryRoot, file.fileName);
      everyNode(file, (node) => {
        const told = this.#toldBy(node, file);
        if (told === undefined) return;
        const line = file.text.slice(0, node.getStart(file)).split("\n").length;
        const found = this.#wordings(told, project);
        for (const words of found) messages.push({ words, place: `${name}:${line}` });
        if (found.length === 0) passedOn.add(`${name}: ${told.getText(file).replaceAll("${", "{")}`);
      });
    }
    return { messages, passedOn: [...passedOn] };
  }

  /** What of a node people read. */
  #toldBy(node: Node, file: SourceFile): Node | undefined {
    if (isNewExpression(node)) {
      const name = nameOf(node.expression);
      if (this.#ownMessages.has(name)) return this.#ownMessages.get(name) ? undefined : node.arguments?.[0];
      return name === "Error" && isPlain(file) ? node.arguments?.[0] : undefined;
    }
    if (isClassDeclaration(node)) return node.name && this.#ownMessages.get(node.name.text);
    if (isCallExpression(node)) return TOLD.test(node.expression.getText(file)) ? node.arguments[0] : undefined;
    if (isPropertyAssignment(node)) return TEXT_KEYS.has(node.name.getText(file)) ? node.initializer : undefined;
    if (isShorthandPropertyAssignment(node)) return TEXT_KEYS.has(node.name.getText(file)) ? node.name : undefined;
    return undefined;
  }

  #wordings(node: Node, project: Project): string[] {
    const all = this.#said(node, project, FAR);
    return [...new Set(all.map(tidy))].filter((words) => !isBare(words));
  }

  /** What an expression can say; a word that others know is followed for `far` steps, and is … then. */
  #said(node: Node, project: Project, far: number): string[] {
    const within = (inner: Node) => this.#said(inner, project, far);
    if (isStringLiteral(node) || isNoSubstitutionTemplateLiteral(node)) return [node.text];
    if (isParenthesizedExpression(node)) return within(node.expression);
    if (isConditionalExpression(node)) return [...within(node.whenTrue), ...within(node.whenFalse)];
    if (isBinaryExpression(node) && node.operatorToken.kind === SyntaxKind.PlusToken)
      return joined([within(node.left), within(node.right)]);
    if (isTemplateExpression(node)) {
      const spans = node.templateSpans.map(({ expression, literal }) =>
        joined([inserted(within(expression)), [literal.text]]),
      );
      return joined([[node.head.text], ...spans]);
    }
    if (isArrowFunction(node)) return isBlock(node.body) ? this.#returned(node.body, project, far) : within(node.body);
    if (isCallExpression(node) && node.arguments[0] && /^(flatM|m)ap$/.test(nameOf(node.expression)))
      return within(node.arguments[0]);
    return far === 0 ? [FILLED] : this.#followed(node, project, far - 1);
  }

  #followed(node: Node, project: Project, far: number): string[] {
    if (isCallExpression(node)) {
      const said = this.#declared(node.expression, project).flatMap((made) => {
        if ((isFunctionDeclaration(made) || isMethodDeclaration(made)) && made.body)
          return this.#returned(made.body, project, far);
        return isVariableDeclaration(made) && made.initializer ? this.#said(made.initializer, project, far) : [];
      });
      return said.length === 0 ? [FILLED] : said;
    }
    const said = this.#declared(node, project).flatMap((made) => {
      if (isVariableDeclaration(made) && made.initializer) return this.#said(made.initializer, project, far);
      return isParameterDeclaration(made) ? this.#given(made, far) : [];
    });
    return said.length === 0 ? [FILLED] : said;
  }

  #returned(body: Node, project: Project, far: number): string[] {
    const said: string[] = [];
    everyNode(body, (node) => {
      if (isReturnStatement(node) && node.expression) said.push(...this.#said(node.expression, project, far));
    });
    return said;
  }

  /** What the calls of its function give for a parameter. */
  #given(parameter: ParameterDeclaration, far: number): string[] {
    const { parent } = parameter;
    const named = isVariableDeclaration(parent.parent) ? parent.parent : parent;
    const name = "name" in named && named.name ? nameOf(named.name as Node) : "";
    const at = (parent as FunctionDeclaration).parameters.indexOf(parameter);
    return (this.#calls.get(name) ?? []).flatMap(([project, call]) => {
      const argument = call.arguments[at];
      const calls = argument && this.#declared(call.expression, project).includes(named);
      return calls ? this.#said(argument, project, far) : [];
    });
  }

  #declared(node: Node, project: Project): Node[] {
    const at = isPropertyAccessExpression(node) ? node.name : node;
    if (!isIdentifier(at) && !isPrivateIdentifier(at)) return [];
    const shorthand = isShorthandPropertyAssignment(at.parent)
      ? project.checker.getShorthandAssignmentValueSymbol(at.parent)
      : undefined;
    const symbol = shorthand ?? project.checker.getSymbolAtLocation(at);
    if (symbol === undefined) return [];
    const own = symbol.flags & SymbolFlags.Alias ? project.checker.getAliasedSymbol(symbol) : symbol;
    return own.declarations.flatMap((handle) => handle.resolve(project) ?? []);
  }
}

/** The names of the classes for people; with each the message it makes itself, if it does. */
function classesOfErrors(files: readonly SourceFile[]): Map<string, Node | undefined> {
  const parents = new Map<string, ClassDeclaration>();
  for (const file of files)
    everyNode(file, (node) => void (isClassDeclaration(node) && node.name && parents.set(node.name.text, node)));
  const parentOf = (name: string) => {
    const made = parents.get(name)?.heritageClauses?.[0]?.types[0];
    return made && nameOf(made.expression);
  };
  const own = new Map<string, Node | undefined>();
  for (const [name, made] of parents) {
    let above: string | undefined = name;
    while (above !== undefined && above !== ROOT_CLASS) above = parentOf(above);
    if (above === ROOT_CLASS) own.set(name, ownMessage(made));
  }
  return own;
}

function ownMessage(made: ClassDeclaration): Node | undefined {
  let message: Node | undefined;
  everyNode(made, (node) => {
    if (isCallExpression(node) && node.expression.kind === SyntaxKind.SuperKeyword) message = node.arguments[0];
  });
  return message && isIdentifier(message) ? undefined : message;
}

function everyNode(node: Node, visit: (node: Node) => void): void {
  visit(node);
  node.forEachChild((child) => everyNode(child, visit));
}

/** "fail" of `fail(…)`, `this.fail(…)` and `this.#fail(…)`. */
function nameOf(node: Node): string {
  const last = isPropertyAccessExpression(node) ? node.name : node;
  return isIdentifier(last) || isPrivateIdentifier(last) ? last.text : "";
}

function isPlain(file: SourceFile): boolean {
  return /\.m?js$/.test(file.fileName);
}

/** Every way to put one of each part after the other. */
function joined(parts: readonly (readonly string[])[]): string[] {
  return parts.reduce<string[]>((before, part) => before.flatMap((start) => part.map((end) => start + end)), [""]);
}

/** What is put into a template: its words where it always has some, else …: a number, a name, an ending. */
function inserted(said: readonly string[]): readonly string[] {
  return said.some(isBare) ? [FILLED] : said;
}

function isBare(words: string): boolean {
  return (words.match(/[a-z]{2,}/gi) ?? []).length < 2;
}

/** On one line, without who says it. */
function tidy(words: string): string {
  const line = words.replace(/\s+/g, " ").replace(/…+/g, FILLED).trim();
  return line.replace(/^(knack|setup|addon): (warning: )?/, "");
}
