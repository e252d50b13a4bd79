import { Html } from "./html.js";

/** What all of knack's pages look like. */
export const STYLE = new Html(`
:root { color-scheme: light dark; --ink: #1f2933; --page: #ffffff; --panel: #f5f7f9; --line: #d9dee4; --muted: #5f6b78; --accent: #0b5fa5; --warn: #c2410c; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ec; --page: #14181d; --panel: #1c2229; --line: #38414b; --muted: #98a3af; --accent: #6cb2f0; --warn: #f59a6a; }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 62rem; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1, h2, h3 { line-height: 1.25; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 3rem 0 .75rem; padding-top: 1.25rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.75rem 0 .25rem; }
p { margin: .25rem 0; max-width: 46rem; overflow-wrap: anywhere; }
.lead, .remarks, figcaption p { color: var(--muted); font-size: .875rem; overflow-wrap: anywhere; }
.notice { border-left: 4px solid var(--warn); background: var(--panel); padding: .5rem .75rem; margin: .75rem 0; }
ul.remarks { padding-left: 1.1rem; margin: .5rem 0; }
.scroll { overflow-x: auto; margin: .75rem 0 .5rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .875rem; }
th, td { padding: .35rem .75rem .35rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--muted); font-weight: 600; }
td:first-child { white-space: normal; min-width: 8rem; max-width: 22rem; overflow-wrap: anywhere; }
td.wide { white-space: normal; overflow-wrap: anywhere; }
th.right, td.right { text-align: right; }
.pair, .many { display: grid; gap: 1.75rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); margin-top: 1rem; }
.many { grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); }
figure { margin: 0; min-width: 0; }
figcaption { margin-bottom: .5rem; }
figcaption strong { overflow-wrap: anywhere; }
@media (max-width: 30rem) { th, td { padding-right: .5rem; font-size: .8125rem; } }
.chart svg { display: block; width: 100%; height: auto; }
`);
