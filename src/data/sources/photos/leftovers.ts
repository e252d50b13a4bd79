/** What systems and tools leave among pictures, in lower case. */
const LEFTOVERS = new Set([
  "__macosx", // macOS, in zip files
  "@eadir", // Synology's thumbnails
  "@tmp",
  "#snapshot",
  "@recycle", // QNAP's
  "@recently-snapshot",
  "#recycle",
  "$recycle.bin",
  "recycler",
  "system volume information",
  "network trash folder", // macOS, on servers
  "temporary items",
  "lost+found",
  "__pycache__",
  "thumbs.db",
  "desktop.ini",
  "ehthumbs.db",
  "icon\r",
]);

/** Whether a file or folder is nobody's data: hidden, or left there by a system or a tool. */
export function isLeftover(name: string): boolean {
  return name.startsWith(".") || LEFTOVERS.has(name.toLowerCase());
}
