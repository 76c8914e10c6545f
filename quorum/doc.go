// Package quorum says things to a running etcd cluster and hears what its members answer: status, member list, alarms,
// linearizable reads, a canary write, moving the leader, who is a member.
//
// It owns the connections to etcd's client API, one for each endpoint, so that an answer is always the answer of the
// member that was asked, and the words for what can go wrong on the way (Error and the sentinels beside it). It is the
// only package that imports etcd's client.
//
// It must not know how a connection is made: it takes a dial function. It resolves no name and uses no proxy of the
// control machine. It decides nothing and repeats nothing: each call is one attempt, and the caller looks again.
package quorum
