import { Html } from "../pages/html.js";

/** What the pages of reports have beside the style of all pages. */
export const REPORT_STYLE = new Html(`
dl.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.5rem, 1fr)); margin: 1.25rem 0; padding: 0; border: solid var(--line); border-width: 1px 0 0 1px; }
dl.figures div { border: solid var(--line); border-width: 0 1px 1px 0; padding: .6rem .75rem; }
dl.figures dt { color: var(--muted); font-size: .8125rem; }
dl.figures dd { margin: 0; font-size: 1.25rem; font-weight: 600; font-variant-numeric: tabular-nums; }
dl.figures dd.interval { color: var(--muted); font-size: .8125rem; font-weight: 400; white-space: nowrap; }
td.name { white-space: normal; overflow-wrap: anywhere; min-width: 6rem; max-width: 16rem; }
td.meaning { white-space: normal; min-width: 15rem; }
.matrix { border-collapse: separate; border-spacing: 1px; width: min(100%, calc(6.5rem * var(--classes) + 9rem)); }
.matrix th, .matrix td { border: 0; padding: .3rem .4rem; }
.matrix td, .matrix tbody th { vertical-align: middle; }
.matrix thead th { vertical-align: bottom; }
.matrix thead th span { display: block; margin: 0 auto; writing-mode: vertical-rl; transform: rotate(180deg); max-height: 8rem; overflow: hidden; text-overflow: ellipsis; }
.matrix tbody th { position: sticky; left: 0; background: var(--page); max-width: 8rem; overflow: hidden; text-overflow: ellipsis; color: var(--ink); font-weight: 400; }
.matrix td { position: relative; text-align: center; height: clamp(1.9rem, calc(28rem / var(--classes)), 4.5rem); font-size: clamp(.85rem, calc(7rem / var(--classes)), 1.3rem); min-width: 2.4rem; max-width: none; isolation: isolate; }
.matrix td::before { content: ""; position: absolute; inset: 0; z-index: -1; background: var(--accent); opacity: calc(.06 + .5 * var(--share)); }
.matrix td.own { outline: 2px solid var(--ink); outline-offset: -2px; font-weight: 600; }
.bar { display: block; width: 8rem; height: .8rem; margin-top: .3rem; background: linear-gradient(var(--accent), var(--accent)) no-repeat 0 0 / calc(100% * var(--share)) 100%; border: 1px solid var(--accent); }
details { margin-top: 1rem; }
summary { cursor: pointer; }
.cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); margin-top: 1rem; }
.card { border: 1px solid var(--line); overflow: hidden; }
.card .picture { display: grid; place-items: center; height: 8.5rem; background: var(--panel); }
.card img { max-width: 100%; max-height: 8.5rem; }
.card img.pixelated { width: 100%; height: 8.5rem; object-fit: contain; image-rendering: pixelated; }
.card figcaption { padding: .5rem .6rem; margin: 0; }
.card figcaption p { margin: 0; font-size: .8125rem; line-height: 1.35; color: var(--ink); overflow-wrap: anywhere; }
.card figcaption p.taken { font-weight: 600; }
.card figcaption p.file { color: var(--muted); font-size: .75rem; margin-top: .25rem; }
.card .figure { white-space: nowrap; font-variant-numeric: tabular-nums; }
@media (max-width: 30rem) { td.name { min-width: 5.25rem; } .bar { width: 2.75rem; } }
@media print { details > * { display: block; } section { break-inside: auto; } .card { break-inside: avoid; } }
`);
