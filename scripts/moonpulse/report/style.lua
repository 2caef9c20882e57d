--- The page's one style sheet: screen, phone, dark, print. Nothing in it is told by colour alone.
return [[
:root { color-scheme: light dark; --paper: #fff; --ink: #1c2126; --soft: #545e68; --rule: #c9d0d6;
  --faint: #f3f5f6; --grid: #e3e7ea; --blue: #1f4e79; --red: #a3241c; --amber: #8a5a00;
  --bad: #fdf1f0; --note: #fdf7ea; --good: #eff6f1; --green: #1d6b3a; }
@media screen and (prefers-color-scheme: dark) {
  :root { --paper: #14181c; --ink: #e6e9ec; --soft: #a7b0b9; --rule: #3a434c; --faint: #1d2329;
    --grid: #2b333b; --blue: #8fbdec; --red: #ff9b90; --amber: #f0c36a; --bad: #341b1a; --note: #2f2714;
    --good: #17291d; --green: #86d3a0; }
}
* { box-sizing: border-box; }
html { background: var(--paper); }
body { margin: 0 auto; padding: 1.6rem 1.4rem 3rem; max-width: 60rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial,
  "Liberation Sans", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .4rem; font-weight: 650; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; padding-top: .5rem; font-weight: 650;
  border-top: 1px solid var(--ink); }
h3 { font-size: .9rem; margin: 1rem 0 .3rem; }
p { margin: .5rem 0; overflow-wrap: anywhere; max-width: 46rem; }
.kicker { color: var(--soft); font-size: .84rem; margin: 0 0 .3rem; }
.small { color: var(--soft); font-size: .8rem; line-height: 1.45; }
.badges { list-style: none; margin: 0 0 .8rem; padding: 0; font-size: .82rem; }
.badges li { display: inline-block; border: 1px solid var(--soft); border-radius: 3px;
  padding: .08rem .5rem; margin: 0 .4rem .3rem 0; }
.icon { width: 1.5em; height: 1.5em; flex: none; fill: none; stroke: currentColor; stroke-width: 2.2;
  stroke-linejoin: round; stroke-linecap: round; }
.banner { border: 2px solid var(--green); background: var(--good); border-radius: 6px;
  padding: .7rem 1rem .6rem; margin: .2rem 0 1.1rem; }
.banner .head { display: flex; align-items: center; gap: .5rem; }
.banner.good .head { color: var(--green); }
.banner.note { border: 3px dashed var(--amber); background: var(--note); }
.banner.note .head, .alerts .note { color: var(--amber); }
.banner.bad { border: 5px double var(--red); border-left: 14px solid var(--red); background: var(--bad); }
.banner.bad .head, .alerts .bad { color: var(--red); }
.word { font-size: 1.15rem; letter-spacing: .06em; }
.banner.bad .word { background: var(--red); color: var(--paper); padding: 0 .5rem; border-radius: 3px; }
.verdict { font-size: 1.12rem; line-height: 1.4; margin: .35rem 0 .5rem; max-width: none; }
.ratio { height: .65rem; margin: .2rem 0 .4rem; }
.alerts { list-style: none; margin: .5rem 0 .1rem; padding: 0; }
.alerts li { display: flex; gap: .5rem; padding: .3rem 0; border-top: 1px solid currentColor; }
.alerts span { color: var(--ink); overflow-wrap: anywhere; min-width: 0; }
.alerts strong { border: 1.5px solid currentColor; border-radius: 3px; padding: 0 .35rem;
  margin-right: .3rem; }
.key { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: .1rem 1.4rem;
  margin: 0 0 1rem; }
.key div { border-top: 1px solid var(--rule); padding: .3rem 0 .35rem; }
.key dt { color: var(--soft); font-size: .78rem; }
.key dd { margin: 0; font-weight: 550; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: .86rem; margin: .5rem 0 1rem; }
caption { text-align: left; font-weight: 600; padding: 0 0 .3rem; }
.facts caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
th, td { text-align: left; vertical-align: top; padding: .26rem .8rem .26rem 0;
  border-bottom: 1px solid var(--rule); overflow-wrap: anywhere; }
.facts th { width: 38%; font-weight: 400; color: var(--soft); }
.grid thead th { border-bottom: 1px solid var(--ink); border-top: 1px solid var(--ink);
  overflow-wrap: normal; font-weight: 600; }
.grid tbody th { font-weight: 400; }
.findings { list-style: none; margin: .3rem 0 1rem; padding: 0; }
.findings li { display: flex; gap: .5rem; padding: .4rem 0; border-bottom: 1px solid var(--rule); }
.findings li > div { min-width: 0; }
.findings p { margin: 0 0 .15rem; max-width: none; }
.findings .bad .icon { color: var(--red); }
.findings .note .icon { color: var(--amber); }
.n { text-align: right; font-variant-numeric: tabular-nums; }
.n + :not(.n) { padding-left: 1rem; }
.marks { list-style: none; columns: 20rem; column-gap: 1.6rem; font-size: .86rem; margin: .3rem 0 1rem;
  padding: 0; }
.marks li { display: flex; gap: .7rem; break-inside: avoid; border-bottom: 1px solid var(--rule);
  padding: .15rem 0; overflow-wrap: anywhere; }
.marks .n { flex: 0 0 5.4rem; color: var(--soft); }
.wide { overflow-x: auto; }
.given { margin-bottom: 0; }
.missing { color: var(--soft); font-style: italic; }
.warning { border-left: 4px double var(--amber); padding: .1rem 0 .1rem .7rem; color: var(--amber); }
pre { font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre-wrap;
  overflow-wrap: anywhere; background: var(--faint); padding: .6rem .8rem; margin: .4rem 0; }
.big { font-size: 1.5rem; font-weight: 650; margin: .2rem 0 0; }
.result { border: 1px solid var(--ink); border-radius: 6px; padding: .5rem 1rem; margin: 0 0 1rem; }
.result p { max-width: none; }
figure { margin: .8rem 0 1.2rem; }
figcaption { font-size: .8rem; color: var(--soft); margin-top: .2rem; }
svg { display: block; width: 100%; height: auto; }
svg text { font-size: 11px; fill: var(--ink); }
svg .tick, svg .name { fill: var(--soft); }
svg .channel, svg .sign { font-weight: 700; }
svg .sign { font-size: 13px; }
svg .note { font-size: 10.5px; }
svg .bad { fill: var(--ink); font-weight: 600; }
svg .axis { stroke: var(--ink); fill: none; }
svg .grid { stroke: var(--grid); fill: none; }
svg .bar { stroke: var(--blue); fill: none; }
svg .fill { fill: var(--blue); }
svg .mark { stroke: var(--ink); }
svg .inner { stroke: var(--ink); stroke-width: .8; stroke-dasharray: 2 2; fill: none; }
svg .lead { stroke: var(--ink); stroke-dasharray: 3 2; fill: none; }
svg .open { fill: var(--paper); stroke: var(--blue); stroke-width: 1.5; }
svg .band { fill: var(--grid); }
figure.fit svg { max-width: 40rem; }
#zoom { margin: .6rem 0 1rem; }
#zoom svg { cursor: zoom-in; touch-action: manipulation; width: 100%; }
.levels { display: flex; flex-wrap: wrap; gap: .35rem; margin: 0 0 .4rem; }
.levels button { font: inherit; font-size: .86rem; color: var(--ink); background: var(--paper);
  border: 1px solid var(--soft); border-radius: 4px; padding: .2rem .6rem; min-height: 2rem;
  cursor: pointer; }
.levels button[aria-pressed="true"] { border: 2px solid var(--ink); font-weight: 700;
  text-decoration: underline; }
.info { font-size: .84rem; min-height: 2.6em; }
@media screen { .zooms .static { display: none; } }
footer { border-top: 1px solid var(--ink); margin-top: 2rem; padding-top: .6rem;
  font-size: .8rem; color: var(--soft); }
@media screen and (min-width: 56rem) {
  .pair { margin-top: 2rem; }
  .pair { columns: 2; column-gap: 2rem; }
  .pair section, .pair table { break-inside: avoid; }
  .pair section:first-child h2 { margin-top: 0; }
}
@media screen and (max-width: 36rem) {
  body { padding: 1rem .8rem 2rem; }
  h1 { font-size: 1.3rem; }
  .key { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0 .9rem; }
  .banner { padding: .6rem .7rem; }
  .verdict { font-size: 1rem; }
  .grid { font-size: .7rem; }
  .grid th, .grid td { padding-right: .35rem; overflow-wrap: break-word; }
  .grid thead th { hyphens: auto; }
  .given tr { display: grid; grid-template-columns: 1fr 1.2fr 1.2fr; border-bottom: 1px solid var(--rule); }
  .given th, .given td { border-bottom: 0; }
  .given thead th { border-top: 0; }
  .given tbody th { grid-column: 1 / 4; padding-bottom: 0; color: var(--soft); }
  .given thead th:first-child { display: none; }
  .given .n { text-align: left; }
  .given .n + :not(.n) { padding-left: 0; }
  figure { overflow-x: auto; }
  figure svg { min-width: 36rem; }
  figure.fit svg { min-width: 0; }
  figure.fit svg text { font-size: 14px; }
}
@page { size: A4; margin: 10mm 12mm; }
@media print {
  html { font-size: 8.2pt; }
  body { padding: 0; max-width: none; font-size: 8.2pt; line-height: 1.28; }
  #zoom { display: none; }
  h1 { font-size: 13pt; margin: 0 0 2pt; }
  h2 { font-size: 9.2pt; margin: 4pt 0 1pt; padding-top: 1.5pt; }
  h3 { font-size: 8pt; margin: 2pt 0 1pt; }
  h2, h3, caption { break-after: avoid; }
  p, pre, figcaption { margin: 1.5pt 0; max-width: none; }
  .small, figcaption { font-size: 6.8pt; line-height: 1.2; }
  pre { font-size: 7pt; padding: 2pt 4pt; line-height: 1.2; }
  h2 + p { break-after: avoid; }
  figure, tr, .banner, .warning, pre, .result { break-inside: avoid; }
  figure { margin: 1pt 0 3pt; }
  figure.fit svg { max-width: 78mm; }
  table { font-size: 7.4pt; margin: 1pt 0 3pt; }
  caption { padding-bottom: 1pt; }
  th, td { padding: .6pt 5pt .6pt 0; }
  .key { gap: 0 10pt; margin-bottom: 3pt; }
  .key div { padding: .6pt 0; }
  .verdict { font-size: 9.5pt; margin: 1pt 0 2pt; }
  .word { font-size: 10pt; }
  .banner { padding: 3pt 8pt; margin: 2pt 0 4pt; }
  .ratio { height: 5pt; margin: 1pt 0 2pt; }
  .alerts { margin: 2pt 0 0; }
  .alerts li { padding: 1.5pt 0; }
  .badges { margin: 0 0 2pt; }
  .badges li { margin-bottom: 1pt; }
  .big { font-size: 12pt; }
  .result { padding: 2pt 8pt; margin-bottom: 3pt; }
  thead { display: table-header-group; }
  .pair { columns: 2; column-gap: 14pt; }
  .pair table { break-inside: avoid; }
  p { orphans: 3; widows: 3; }
  figure.measured svg { max-width: 105mm; }
  .figures { display: grid; grid-template-columns: 1fr 1fr; column-gap: 14pt; }
  .figures svg text { font-size: 17px; }
  .again { display: none; }
  .marks { columns: 3; font-size: 7.2pt; margin: 1pt 0 3pt; }
  .marks li { padding: .5pt 0; gap: 5pt; }
  .marks .n { flex-basis: 42pt; }
  .findings { margin: 1pt 0 3pt; }
  .findings li { padding: 1.5pt 0; break-inside: avoid; }
  footer { margin-top: 3pt; padding-top: 1pt; font-size: 6.8pt; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
]]
