/** Pages in a real Chromium: Debian's, or the one that KNACK_CHROMIUM names. */
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";

export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.KNACK_CHROMIUM ?? "/usr/bin/chromium",
    args: [
      ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
      ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
    ],
  });
}

/** A page and whatever it did that a page of figures has no business to do. */
export interface OpenedPage {
  readonly page: Page;
  /** Messages on the console, errors of scripts, dialogs, and requests for anything but the file itself. */
  readonly incidents: readonly string[];
}

export async function openPage(
  browser: Browser,
  file: string,
  { width, colorScheme }: { width: number; colorScheme: "light" | "dark" },
): Promise<OpenedPage> {
  const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
  const incidents: string[] = [];
  const { href } = pathToFileURL(file);
  page.on("console", (message) => incidents.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => incidents.push(`error: ${error.message}`));
  page.on("request", (request) => {
    if (request.url() !== href && !request.url().startsWith("data:")) incidents.push(`request: ${request.url()}`);
  });
  page.on("dialog", (dialog) => {
    incidents.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.goto(href, { waitUntil: "load" });
  return { page, incidents };
}
