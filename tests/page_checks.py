"""What every page of a report must be, looked at in a browser: readable, on a phone too."""

from __future__ import annotations

from pathlib import Path

from tests.browser import Browser

PHONE_PX, SCREEN_PX = 390, 1200
#: Smallest text on a phone, CSS pixels; and the contrast that WCAG 2.2, 1.4.3 asks for.
TEXT_PX, CONTRAST = 10, 4.5

# sizes on the screen: an SVG's own font size times its scale
SVG_TEXT_PX = """[...document.querySelectorAll('svg text')].map(text =>
  parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a)
  .concat([...document.querySelectorAll('svg text[transform]')].map(text =>
  parseFloat(getComputedStyle(text).fontSize) * Math.abs(text.getScreenCTM().b)))
  .filter(size => size > 0.01)"""

# texts of a drawing that reach beyond it
CLIPPED = """[...document.querySelectorAll('svg text')].filter(text => {
  const t = text.getBoundingClientRect(), s = text.ownerSVGElement.getBoundingClientRect();
  return t.left < s.left - 1 || t.right > s.right + 1 || t.top < s.top - 1
    || t.bottom > s.bottom + 1;
}).map(text => text.textContent)"""

# elements that are wider than their room
OVERFLOWING = """[...document.querySelectorAll('body *')].filter(element =>
  element.closest('thead') === null && element.getBoundingClientRect().right > innerWidth + 1)
  .map(element => element.outerHTML.slice(0, 80))"""

# [text, contrast] of each text with what is painted behind it
CONTRASTS = """(() => {
  const channels = css => css.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05); };
  const behind = element => { for (let e = element; e; e = e.parentElement) {
    const colour = channels(getComputedStyle(e).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour; } throw 'no background'; };
  const cellBelow = text => [...text.ownerSVGElement.querySelectorAll('.cell')].find(cell => {
    const t = text.getBoundingClientRect(), c = cell.getBoundingClientRect();
    const [x, y] = [t.left + t.width / 2, t.top + t.height / 2];
    return c.left < x && x < c.right && c.top < y && y < c.bottom; });
  const found = [];
  const texts = 'h1, h2, h3, p, td, th, dt, dd, li, figcaption, span, summary';
  for (const element of document.querySelectorAll(texts))
    if (element.textContent.trim()) {
      const colour = channels(getComputedStyle(element).color);
      found.push([element.textContent, ratio(colour, behind(element))]); }
  for (const text of document.querySelectorAll('svg text')) {
    let ground = behind(text);
    const cell = cellBelow(text);
    if (cell) {
      const style = getComputedStyle(cell), share = Number(style.fillOpacity);
      ground = ground.map((c, i) => share * channels(style.fill)[i] + (1 - share) * c); }
    found.push([text.textContent, ratio(channels(getComputedStyle(text).fill), ground)]);
  }
  return found; })()"""


def assert_readable(page: Browser, path: Path, width: int, dark: bool) -> None:
    """Nothing overflows or is cut, text is large enough and stands out, the scheme is obeyed."""
    page.resize(width, dark=dark)
    page.open(path)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
    assert page.evaluate(OVERFLOWING) == []
    assert page.evaluate(CLIPPED) == []
    sizes = page.evaluate(SVG_TEXT_PX)
    assert len(sizes) > 15
    assert min(sizes) >= TEXT_PX
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 50
    assert [(text, ratio) for text, ratio in contrasts if ratio < CONTRAST] == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(13, 17, 23)") == dark


def assert_self_contained(page: Browser, path: Path) -> None:
    """Nothing is requested from outside, nothing is complained of, no script runs."""
    page.open(path)
    assert [u for u in page.requests() if not u.startswith("data:")] == [path.as_uri()]
    assert page.complaints() == []
    assert page.evaluate("document.scripts.length") == 0
