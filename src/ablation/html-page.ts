/** Text as HTML shows it, never as markup. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1f2933; --page: #ffffff; --line: #d9dee4; --muted: #66717e; --accent: #0b5fa5; --warn: #c2410c; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ec; --page: #14181d; --line: #38414b; --muted: #98a3af; --accent: #6cb2f0; --warn: #f59a6a; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 62rem; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .25rem; }
p { margin: .25rem 0; }
.lead, .remarks, figcaption p { color: var(--muted); font-size: .875rem; overflow-wrap: anywhere; }
.notice { border-left: 4px solid var(--warn); padding: .25rem .75rem; }
.scroll { overflow-x: auto; margin: 1rem 0 .5rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .35rem .6rem; text-align: left; border-bottom: 1px solid var(--line); white-space: nowrap; }
td:first-child { white-space: normal; min-width: 9rem; overflow-wrap: anywhere; }
.right { text-align: right; }
tr.helps td.verdict { color: var(--accent); font-weight: 600; }
tr.hurts td.verdict { color: var(--warn); font-weight: 600; }
ul.remarks { padding-left: 1.1rem; margin: .5rem 0; }
.pair, .many { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); margin-top: 1.5rem; }
.many { grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); }
figure { margin: 0; min-width: 0; }
figcaption strong { overflow-wrap: anywhere; }
svg { display: block; width: 100%; height: auto; max-width: 30rem; }
`;

/** A page that needs no other file. @param body HTML whose texts are escaped */
export function htmlPage(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
${body}
</body>
</html>
`;
}
