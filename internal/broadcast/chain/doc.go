// Package chain speaks with the nodes that a broadcaster's operator named.
//
//	spec, err := chain.Parse("bitcoin bitcoin http://127.0.0.1:8332/ credentials=/etc/nym-socks5/bitcoin.rpc")
//	node, err := chain.New(spec, 30*time.Second)
//	outcome, err := node.Send(ctx, tx, hash)
//
//	                    ┌─ bitcoin    sendrawtransaction, testmempoolaccept, getrawtransaction
//	Send, Check, Look ──┼─ ethereum   eth_sendRawTransaction, eth_getTransactionReceipt, …
//	                    ├─ monero     /sendrawtransaction, /get_transactions
//	                    └─ post       any URL that takes bytes
//
// There are two ways for a question to end: an [Outcome], which is the node's word, or
// an error, after which nobody knows. What a node says instead of an answer (an error
// page, a redirect, another transaction's hash, more bytes than it may) is such an error.
//
// Where a node goes is in the Spec alone: nothing of a request becomes part of a URL or a
// header, no redirect is followed, no proxy of the environment is used. Every call
// has an end, every reply a bound.
//
// The package keeps nothing, retries nothing and logs nothing. Errors say their kind,
// and not what a request was about: see [Class].
package chain
