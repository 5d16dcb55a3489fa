// SPDX-License-Identifier: MIT

// Package nat holds end-to-end scenarios of nodes behind NATs and firewalls: who meets whom, and what happens when routers,
// addresses and machines fail. As in package lab, a node is seen as its users see it; everything has the build tag lab.
package nat
