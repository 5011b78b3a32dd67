// The style of the status page. Colours keep a contrast of 4.5 : 1 in light and dark (WCAG 2.2, 1.4.3).

/** The style of the page. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f6f7f8; --card: #ffffff; --text: #1c2326; --quiet: #566066; --line: #d9dee1;
  --accent: #0b7a75; --bar: #12908a; --fetched: #8f9aa1; --good: #17703a; --warning: #8a5300; --bad: #b3261e;
  --good-soft: #e3f3e8; --warning-soft: #fbf0dc; --bad-soft: #fbe6e4;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12171a; --card: #1b2226; --text: #e8edef; --quiet: #a3afb5; --line: #333d43;
    --accent: #5fd0c8; --bar: #35aaa2; --fetched: #75828a; --good: #6fd394; --warning: #f0b455; --bad: #ff8f87;
    --good-soft: #1d3526; --warning-soft: #3a2d14; --bad-soft: #432320;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; background: var(--ground); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
header, main, footer { max-width: 68rem; margin: 0 auto; padding: 0 1rem; }
body { border-top: .3rem solid var(--accent); }
header { padding-top: 1.25rem; }
header p, footer p, caption, small, .tiles span, .axis, figcaption p, .legend { color: var(--quiet); }
footer { padding-bottom: 2rem; }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; }
h1 svg { display: inline-block; width: 1.6rem; height: 1.6rem; margin: 0 .55rem 0 0; border: 0; vertical-align: -.25rem; }
h1 circle { fill: none; stroke: var(--accent); stroke-width: 3; } h1 circle + circle { fill: var(--accent); stroke: none; }
h1 small { font-size: 1rem; font-weight: 400; }
header p { margin: .25rem 0 0; }
h2 { margin: 0 0 .75rem; font-size: 1.15rem; }
h3 { margin: 0; font-size: 1rem; }
a { color: var(--accent); }
section { margin: 1rem 0; padding: 1rem 1.25rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
p { margin: .5rem 0; }
.good { color: var(--good); } .warning { color: var(--warning); } .bad { color: var(--bad); }
.notices { margin: 0 0 1rem; padding: 0; list-style: none; }
.notices li { padding: .45rem .75rem; border-left: .25rem solid currentColor; border-radius: .25rem; margin-bottom: .4rem; }
.notices .good, td > .good { background: var(--good-soft); } .notices .warning, td > .warning { background: var(--warning-soft); } .notices .bad, td > .bad { background: var(--bad-soft); }
td > .good, td > .warning, td > .bad { padding: .05rem .6rem; border-radius: 1rem; font-size: .9rem; font-weight: 600; }
.tiles, .facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.75rem, 1fr)); gap: .75rem 1.25rem; margin: 0; }
dt { color: var(--quiet); font-size: .9rem; }
dd { margin: 0; overflow-wrap: anywhere; }
.facts .wide { grid-column: 1 / -1; }
.tiles { gap: .75rem; }
.tiles div { padding: .6rem .8rem; background: var(--ground); border: 1px solid var(--line); border-radius: .4rem; }
.tiles b { display: block; font-size: 1.7rem; line-height: 1.25; font-weight: 650; }
.tiles span { display: block; line-height: 1.35; }
.tiles span, small { font-size: .85rem; }
table { width: 100%; border-collapse: collapse; }
caption { text-align: left; font-size: .9rem; padding-bottom: .4rem; }
th, td { text-align: left; vertical-align: top; padding: .45rem .75rem .45rem 0; border-top: 1px solid var(--line); font-weight: 400; overflow-wrap: anywhere; }
tbody th { min-width: 7.5rem; }
thead th { border-top: 0; overflow-wrap: normal; color: var(--quiet); font-size: .85rem; padding-block: 0 .3rem; }
td small, th small { display: block; }
td > time, td > span { white-space: nowrap; }
.figures td, .figures th + th { text-align: right; white-space: nowrap; }
.scroll { overflow-x: auto; }
.charts, .settings { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); gap: 1rem 1.5rem; }
figure { margin: 0; min-width: 0; }
figcaption { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem; align-items: baseline; font-size: .9rem; }
figcaption p { margin: 0; }
figure svg { display: block; width: 100%; height: 7rem; border-bottom: 1px solid var(--line); margin-top: .4rem; }
rect.cached { fill: var(--bar); } rect.fetched { fill: var(--fetched); } rect.failed { fill: var(--bad); }
.axis { display: flex; justify-content: space-between; margin: .2rem 0 0; font-size: .8rem; }
.legend { margin-top: -.4rem; font-size: .9rem; }
.legend span::before { content: ""; display: inline-block; width: .75em; height: .75em; margin-right: .35em; border-radius: .15em; background: var(--fetched); }
.legend .cached::before { background: var(--bar); } .legend .failed::before { background: var(--bad); }
.legend span { margin-right: .8rem; white-space: nowrap; }
details { margin-top: .4rem; font-size: .9rem; }
summary { cursor: pointer; color: var(--accent); }
meter { display: block; width: 100%; height: 1rem; margin-top: .25rem; }
.setting { min-width: 0; display: grid; grid-template-columns: 1fr auto; align-items: end; align-content: start; gap: .3rem .5rem; }
.setting pre { grid-column: 1 / -1; }
pre { margin: 0; padding: .6rem .75rem; white-space: pre-wrap; overflow-wrap: anywhere; background: var(--ground); border: 1px solid var(--line); border-radius: .35rem; font-size: .85rem; }
code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; }
label { display: inline-block; margin-right: .5rem; }
input, button { font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--quiet); border-radius: .35rem; padding: .3rem .7rem; margin: .15rem .5rem .15rem 0; max-width: 100%; }
button { cursor: pointer; }
button.copy { margin: 0; padding: .1rem .6rem; font-size: .85rem; }
button:hover { border-color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
#said:not(:empty) { font-weight: 600; }
#explained h3, #stale h3, #busiest h3 { margin-top: 1rem; }
@media (max-width: 30rem) {
  header, main, footer { padding-inline: .6rem; }
  section { padding-inline: .9rem; }
  th, td { padding-right: .5rem; }
  /* A row is a block here: the first cell or two, and below them what needs the whole width. */
  .stacked thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .stacked tr { display: flex; flex-wrap: wrap; gap: .1rem .75rem; padding: .5rem 0; border-top: 1px solid var(--line); }
  .stacked th, .stacked td { padding: 0; border: 0; }
  .stacked tbody th, .stacked td:last-child { flex-basis: 100%; }
  td > time { white-space: normal; }
  .tiles div:last-child:nth-child(odd) { grid-column: 1 / -1; }
  .stacked [data-name]::before { content: attr(data-name); color: var(--quiet); font-size: .9rem; }
  .tiles { grid-template-columns: 1fr 1fr; gap: .5rem; }
}
`.trimStart();
