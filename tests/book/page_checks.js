// Functions that look at a page as a reader sees it; each returns what is wrong, or what it saw.

const article = () => document.querySelector("article") || document.querySelector("main") || document.body;

// The prose, without code, formulas and pictures.
function prose() {
  const copy = article().cloneNode(true);
  copy.querySelectorAll("pre, code, script, style, mjx-container, svg").forEach((element) => element.remove());
  return copy.textContent;
}

// Addresses of pictures that cannot be shown.
async function brokenPictures() {
  const check = (image) => {
    image.loading = "eager";
    return image.decode().then(() => null, () => image.src);
  };
  return (await Promise.all([...document.images].map(check))).filter(Boolean);
}

const numbers = (color) => (color.match(/[\d.]+/g) || []).map(Number);

// Relative luminance of a colour, as WCAG 2 defines it.
function luminance(color) {
  const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  return [0.2126, 0.7152, 0.0722].reduce((sum, weight, index) => sum + weight * linear(color[index] / 255), 0);
}

// The first background behind an element that is not transparent.
function behind(element) {
  for (; element; element = element.parentElement) {
    const color = numbers(getComputedStyle(element).backgroundColor);
    if (color.length === 3 || color[3] > 0.5) return color;
  }
  return [255, 255, 255];
}

// Text whose contrast with what lies behind it is below 3 to 1.
function faintText() {
  const found = new Set();
  const walker = document.createTreeWalker(article(), NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode()); ) {
    const element = node.parentElement;
    const skipped = "svg, mjx-container, button, .headerlink, .search-button__kbd-shortcut";
    const hidden = !element.checkVisibility({ opacityProperty: true }) || element.closest(skipped);
    if (hidden || !node.textContent.trim()) continue;
    const pair = [luminance(numbers(getComputedStyle(element).color)), luminance(behind(element))];
    const contrast = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (contrast < 3) found.add(`${contrast.toFixed(2)} <${element.tagName}> ${node.textContent.trim().slice(0, 40)}`);
  }
  return [...found];
}

// How many results the search page shows, once it shows any.
async function searchResults() {
  for (let attempt = 0; attempt < 100; attempt++) {
    const found = document.querySelectorAll("#search-results li a").length;
    if (found) return found;
    await new Promise((done) => setTimeout(done, 100));
  }
  return 0;
}
