"""The style sheet of reports: a readable column, figures and tables that may be wider, light and dark, and print."""

STYLE = """
:root {
  --ground: #ffffff; --text: #1f2328; --quiet: #636c76; --line: #d9dee3; --band: #f6f8fa; --accent: #0b6e99;
}
@media (prefers-color-scheme: dark) {
  :root { --ground: #16191d; --text: #dde1e6; --quiet: #98a1ab; --line: #343a41; --band: #1e2227; --accent: #6cb6d9; }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body {
  margin: 0; background: var(--ground); color: var(--text);
  font: 16px/1.6 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif;
}
main { max-width: 1160px; margin: 0 auto; padding: 3rem 1.5rem 4rem; }
h1, h2, p, .lead, .points, nav, dl, footer { max-width: 900px; margin-left: auto; margin-right: auto; }
h1 { font-size: 2rem; line-height: 1.2; margin-top: 0; margin-bottom: 1rem; letter-spacing: -0.01em; }
h2 {
  font-size: 1.3rem; line-height: 1.3; margin-top: 3.2rem; margin-bottom: .8rem;
  padding-top: 1.2rem; border-top: 1px solid var(--line);
}
p { margin-top: 0; margin-bottom: 1em; }
.lead p { font-size: 1.08rem; color: var(--quiet); }
a { color: var(--accent); text-decoration: none; }
a:hover, a:focus-visible { text-decoration: underline; }
nav ol {
  margin: 1.5rem 0 0; padding: .8rem 1rem .8rem 2.4rem; background: var(--band); border-radius: 6px; columns: 2;
}
nav li { break-inside: avoid; }
.points { padding-left: 1.3rem; margin-top: 0; margin-bottom: 1em; }
.points li { margin-bottom: .5em; }
figure { margin: 1.8rem auto; text-align: center; break-inside: avoid; }
figure img {
  max-width: 100%; height: auto; background: #fff; border: 1px solid var(--line); border-radius: 6px; padding: .5rem;
}
figcaption {
  max-width: 900px; margin: .6rem auto 0; color: var(--quiet); font-size: .9rem; line-height: 1.5; text-align: left;
}
.table {
  position: relative; left: 50%; transform: translateX(-50%); margin: 1.5rem 0; overflow-x: auto;
  width: fit-content; min-width: min(900px, 100%); max-width: min(1480px, 100vw - 3rem);
}
table { border-collapse: collapse; font-size: .92rem; line-height: 1.4; }
caption { text-align: left; color: var(--quiet); font-size: .9rem; padding-bottom: .5rem; }
th, td { padding: .42rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { border-bottom: 2px solid var(--line); font-weight: 600; vertical-align: bottom; white-space: normal; }
thead th a { color: inherit; text-decoration: underline dotted var(--quiet); text-underline-offset: 3px; cursor: help; }
tbody th { font-weight: 500; min-width: 8rem; }
td.words { min-width: 11rem; }
tbody tr:hover { background: var(--band); }
.words { text-align: left; }
.number { text-align: right; font-variant-numeric: tabular-nums lining-nums; white-space: nowrap; }
.suffix { display: inline-block; text-align: left; padding-left: 1ch; color: var(--quiet); }
.note { display: block; color: var(--quiet); font-size: .78em; }
dl {
  display: grid; grid-template-columns: minmax(9rem, max-content) 1fr; gap: .3rem 1.2rem;
  margin-top: 0; font-size: .92rem;
}
dt { font-weight: 500; }
dd { margin: 0; color: var(--quiet); overflow-wrap: anywhere; }
:target { background: var(--band); outline: 2px solid var(--accent); outline-offset: 3px; border-radius: 2px; }
h2:target { outline: none; background: none; }
footer {
  margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--quiet); font-size: .85rem;
}
@media (max-width: 640px) {
  main { padding: 1.5rem 1rem; } nav ol { columns: 1; } dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .7rem; }
}
@media print {
  :root { --ground: #fff; --text: #000; --quiet: #444; --line: #bbb; --band: #fff; --accent: #000; }
  body { font-size: 10pt; } main { max-width: none; padding: 0; } nav { display: none; }
  h2 { break-after: avoid; margin-top: 1.6rem; } tr { break-inside: avoid; } .table { overflow: visible; }
}
"""
