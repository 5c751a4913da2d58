/** What to do when the system does not let us watch, by the name of its error. */
export const WATCH_HINTS: Readonly<Record<string, string>> = {
  ENOSPC: "Allow more watches: sysctl fs.inotify.max_user_watches=524288.",
  EMFILE: "Allow more watchers: sysctl fs.inotify.max_user_instances=512, or raise ulimit -n.",
};
