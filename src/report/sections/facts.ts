import { html, nameHtml } from "../../pages/html.js";
import { type Section, table } from "../../pages/page.js";
import { settingText } from "../figures-text.js";
import { differenceText } from "../../run/going-on.js";
import type { RunRecord, Settings } from "../run-record.js";

/** What the run was, in tables: the audit of its tricks, its recipe, and where it ran. */
export function factsSections({ audit, changes, recipe, environment }: RunRecord): Section[] {
  return [
    auditSection(audit),
    settingsSection("Recipe", recipe),
    ...(changes.length > 0 ? [historySection(changes)] : []),
    settingsSection("Environment", environment && withGibibytes(environment)),
  ];
}

function auditSection(audit: RunRecord["audit"]): Section {
  const title = "What each trick changed";
  if (!audit) return { title, body: html`<p>The run's metrics hold no audit.</p>` };
  const body = table(
    [
      { title: "trick", cell: ({ trick }) => trick },
      { title: "", cell: ({ asked }) => (asked ? html`<strong>on</strong>` : "off") },
      { title: "what it changed", cell: ({ detail }) => detail.replace(/^off(: |$)/, ""), style: "wide" },
    ],
    audit.tricks,
  );
  return { title, body };
}

/** Which epochs had another recipe, or other data. */
function historySection(changes: RunRecord["changes"]): Section {
  const body = table(
    [
      { title: "from epoch", cell: ({ epoch }) => `${epoch + 1}` },
      { title: "what changed", cell: ({ changes }) => nameHtml(changes.map(differenceText).join("; ")), style: "wide" },
      { title: "learning rate", cell: ({ lr }) => `${lr.was.toPrecision(3)} to ${lr.is.toPrecision(3)}` },
    ],
    changes,
  );
  return { title: "What changed on the way", body };
}

function withGibibytes(environment: Settings): Settings {
  const { memory } = environment;
  return typeof memory === "number" ? { ...environment, memory: `${(memory / 2 ** 30).toFixed(1)} GiB` } : environment;
}

function settingsSection(title: string, settings: Settings | undefined): Section {
  if (!settings) return { title, body: html`<p>The run's folder holds no file of it.</p>` };
  const body = table(
    [
      { title: "setting", cell: ([key]) => key },
      { title: "value", cell: ([, value]) => nameHtml(settingText(value)), style: "wide" },
    ],
    Object.entries(settings),
  );
  return { title, body };
}
