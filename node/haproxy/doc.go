// Package haproxy keeps the servers of HAProxy's backends to what is wanted, through its runtime API: a line of text on
// a unix socket. It asks what HAProxy has, and sends what differs. It works with HAProxy from 2.6 on, where
// "add server" and "del server" are stable.
//
// It owns the words of that API, and how often HAProxy is asked. It must not know where wishes come from, and sends
// nothing but names, addresses and numbers that were checked before.
package haproxy
