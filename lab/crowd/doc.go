// SPDX-License-Identifier: MIT

// Package crowd plays the simulator's scenarios with real nodes: the hosts, lines, delays and times of joining of a scenario
// and a seed, in network namespaces instead of in one process. It measures what the simulator measures and compares the two.
// Everything is in tests (docs/lab.md); the build tag is lab.
package crowd
