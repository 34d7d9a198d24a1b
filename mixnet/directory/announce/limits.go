package announce

import "time"

// announceEvery is how often an announcement is tried before there is a lease
// (nodes.md §4.11).
const announceEvery = 10 * time.Second
