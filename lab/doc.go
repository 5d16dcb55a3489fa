// SPDX-License-Identifier: MIT

// Package lab holds end-to-end scenarios: real nodes, tools and players in network namespaces, with the rates, losses and
// delays of real lines between them. Everything in it has the build tag lab and needs root and Linux; `make test` runs it
// when it may. docs/lab.md tells how to use it.
//
// The package sees a node as its users do: commands, flags, links, HTTP. It never imports internal packages.
package lab
