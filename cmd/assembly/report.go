package assembly

import (
	"fmt"
	"time"

	"nym-socks5/endpoint"
	"nym-socks5/internal/ops"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/directory/dirserver"
	"nym-socks5/mixnet/gateway"
	"nym-socks5/mixnet/link"
	"nym-socks5/mixnet/mixnode"
	"nym-socks5/proxy"
	"nym-socks5/proxy/requester"
	"nym-socks5/proxy/socks"
)

// counter and gauge make one number of a report.
func counter(name, help string, v uint64) ops.Count {
	return ops.Count{Name: name, Help: help, Value: float64(v)}
}

func gauge[T int | int64 | uint64](name, help string, v T) ops.Count {
	return ops.Count{Name: name, Help: help, Value: float64(v), Gauge: true}
}

// EndpointReport tells how an endpoint fares.
func EndpointReport(e *endpoint.Endpoint) ops.Report {
	st := e.Status()
	var r ops.Report
	switch {
	case st.Entry.Gateway.IsZero():
		r.Waits = "a first session with a gateway"
	case !st.Entry.Connected:
		r.Waits = "a session with a gateway"
	case !st.Ready:
		r.Waits = "the answer of a requester"
	}
	if !st.Address.IsZero() {
		r.Facts = append(r.Facts, ops.Fact{Name: "address", Value: st.Address.String()})
	}
	if !st.Entry.Gateway.IsZero() {
		how := "connected"
		if !st.Entry.Connected {
			how = "not connected"
		}
		r.Facts = append(r.Facts, ops.Fact{Name: "gateway", Value: fmt.Sprintf("%v, %s since %s; %s", st.Entry.Gateway, how, clock(st.Entry.Since), st.Entry.Why)})
	}
	for _, q := range st.Requesters {
		if q.InUse {
			r.Facts = append(r.Facts, ops.Fact{Name: "requester", Value: fmt.Sprintf("%v, since %s; %s", q.Address, clock(q.Since), q.Why)})
		}
	}
	if st.Loops.Sent > 0 {
		r.Facts = append(r.Facts, ops.Fact{Name: "loops", Value: fmt.Sprintf("%d of %d packets to ourselves came home in five minutes", st.Loops.Home, st.Loops.Sent)})
	}
	r.Counts = append(clientCounts(st.Packets, st.Loops), streamCounts(st.Streams)...)
	for _, f := range []struct {
		at string
		n  uint64
	}{
		{"entry", st.Failures.Entry}, {"requester", st.Failures.Requester}, {"denied", st.Failures.Denied},
		{"lookup", st.Failures.Lookup}, {"target", st.Failures.Target},
	} {
		c := counter("dials_failed_total", "Streams that could not be opened, by how far they came.", f.n)
		c.Of, c.Label = "at", f.at
		r.Counts = append(r.Counts, c)
	}
	return r
}

// clock writes a time of today or before for people.
func clock(t time.Time) string {
	if time.Since(t) < 24*time.Hour {
		return t.Local().Format(time.TimeOnly)
	}
	return t.Local().Format(time.DateTime)
}

func clientCounts(s client.Stats, loops client.Tally) []ops.Count {
	return []ops.Count{
		counter("client_packets_sent_total", "Packets handed to the gateway, of all kinds.", s.Sent),
		counter("client_data_packets_sent_total", "Packets sent that carry fragments of messages, requests or grants.", s.SentData),
		counter("client_packets_sent_again_total", "Fragments sent again since their SURB-ACK did not come.", s.SentAgain),
		counter("client_cover_packets_sent_total", "Cover packets sent.", s.SentCover),
		counter("client_missed_ticks_total", "Ticks of the sending streams at which nothing could leave.", s.MissedTicks),
		counter("client_packets_received_total", "Packets pushed by the gateway, of all kinds.", s.Received),
		counter("client_acks_received_total", "SURB-ACKs received.", s.ReceivedAcks),
		counter("client_bad_packets_received_total", "Packets received that could not be opened or parsed.", s.ReceivedBad),
		counter("client_messages_total", "Messages completed.", s.Messages),
		counter("client_surbs_granted_total", "Reply SURBs granted to others.", s.SURBsGranted),
		counter("client_surbs_received_total", "Reply SURBs received from others.", s.SURBsReceived),
		counter("client_sessions_total", "Sessions with gateways, the first included.", s.Reconnects),
		gauge("client_loops_sent", "Packets to ourselves sent in the last five minutes.", loops.Sent),
		gauge("client_loops_home", "Packets to ourselves of the last five minutes that came home.", loops.Home),
	}
}

func streamCounts(s proxy.Stats) []ops.Count {
	return []ops.Count{
		gauge("streams_open", "Streams open.", s.Streams),
		gauge("streams_buffered_bytes", "Received bytes that wait for applications.", s.Buffered),
		counter("streams_sent_bytes_total", "Bytes that applications wrote.", s.Sent),
		counter("streams_received_bytes_total", "Bytes that applications read.", s.Received),
		counter("streams_dialed_total", "Streams asked for.", s.Dialed),
		counter("streams_opened_total", "Streams asked for that were opened.", s.Opened),
		counter("streams_incoming_total", "Streams that others asked for.", s.Incoming),
		counter("streams_refused_total", "Streams that others asked for, refused for a limit.", s.Refused),
		counter("streams_crowded_total", "Idle streams that gave way to those of other tags.", s.Crowded),
		counter("streams_failed_total", "Streams that ended by a failure.", s.Failed),
		counter("streams_malformed_total", "Messages dropped that could not be understood.", s.Malformed),
	}
}

// FrontCounts are those of the port of applications.
func FrontCounts(s socks.Stats) []ops.Count {
	counts := []ops.Count{
		gauge("socks_connections", "Connections of applications.", s.Active),
		counter("socks_connections_total", "Connections of applications accepted.", s.Accepted),
		counter("socks_dropped_total", "Connections closed because of limits on handshakes.", s.Dropped),
	}
	return append(counts, labelled("socks_answers_total", "Requests answered, by the answer.", "answer", map[string]uint64{
		"connected": s.Connected, "failed": s.Failed, "denied": s.Denied, "no_network": s.NoNetwork, "unreachable": s.Unreachable,
		"refused": s.Refused, "no_answer": s.NoAnswer, "unsupported": s.Unsupported,
	})...)
}

// labelled makes a family of counters.
func labelled(name, help, of string, values map[string]uint64) (all []ops.Count) {
	for label, v := range values {
		c := counter(name, help, v)
		c.Of, c.Label = of, label
		all = append(all, c)
	}
	return all
}

// EgressCounts are those of a requester.
func EgressCounts(s requester.Stats) []ops.Count {
	counts := []ops.Count{
		gauge("requester_streams", "Streams being opened or open.", s.Active),
		counter("requester_streams_total", "Streams asked for.", s.Incoming),
		counter("requester_connected_total", "Streams connected to their targets.", s.Connected),
	}
	counts = append(counts, labelled("requester_refused_total", "Streams not connected, by the reason.", "reason", map[string]uint64{
		"denied": s.Denied, "dns": s.DNS, "refused": s.Refused, "unreachable": s.Unreachable, "timeout": s.Timeout,
		"limit": s.Limit, "internal": s.Internal, "unknown": s.Unknown,
	})...)
	return append(counts, labelled("requester_ports_total", "Streams asked for, by the class of their port.", "class", map[string]uint64{
		"web": s.PortsWeb, "mail": s.PortsMail, "other": s.PortsOther,
	})...)
}

// MixCounts are those of a mix node, and of the one inside a gateway.
func MixCounts(s mixnode.Stats) []ops.Count {
	counts := []ops.Count{
		counter("mix_packets_received_total", "Packets read from links.", s.Received),
		counter("mix_packets_forwarded_total", "Packets passed on to the next hop.", s.Forwarded),
		counter("mix_packets_delivered_total", "Packets that ended here, at a gateway.", s.Delivered),
		counter("mix_packets_injected_total", "Packets of clients sent into the mixnet.", s.Injected),
		gauge("mix_packets_delayed", "Packets in the delay wheel.", s.Delayed),
		gauge("mix_delayed_bytes", "Memory of packets in the delay wheel.", s.DelayedBytes),
		gauge("mix_replay_tags", "Packets remembered by the replay filter, under the keys held.", s.ReplayTags),
		gauge("mix_replay_bytes", "Memory of the replay filter.", s.ReplayBytes),
	}
	for _, r := range mixnode.DropReasons() {
		c := counter("mix_packets_dropped_total", "Packets dropped, by the reason.", s.Dropped[r])
		c.Of, c.Label = "reason", r.String()
		counts = append(counts, c)
	}
	return append(counts, linkCounts(s.Server, s.Pool)...)
}

func linkCounts(in link.ServerStats, out link.PoolStats) []ops.Count {
	return []ops.Count{
		gauge("links_in", "Links from other nodes, handshakes included.", in.Open),
		counter("links_in_total", "Links from other nodes accepted.", in.Accepted),
		counter("links_refused_total", "Links turned away by a limit or by the rules of Noise.", in.Refused),
		counter("links_handshakes_failed_total", "Handshakes that failed or took too long.", in.Handshakes),
		gauge("links_out", "Links to other nodes.", out.Open),
		gauge("links_queued", "Packets that wait for links.", out.Queued),
		counter("links_packets_sent_total", "Packets written to links.", out.Sent),
		counter("links_writes_total", "Writes that those took.", out.Writes),
		counter("links_packets_lost_total", "Packets queued for a link that could not be made or broke.", out.Lost),
		counter("links_out_failed_total", "Links that could not be made.", out.Failures),
	}
}

// GatewayCounts are those of a gateway, but for its mix node's.
func GatewayCounts(s gateway.Stats) []ops.Count {
	return []ops.Count{
		gauge("gateway_clients", "Clients with a session.", s.Online),
		counter("gateway_registrations_total", "Registrations completed.", s.Session.Registered),
		counter("gateway_logins_total", "Authentications accepted.", s.Session.Authenticated),
		counter("gateway_logins_refused_total", "Connections that did neither.", s.Session.Refused),
		counter("gateway_turned_total", "Connections beyond the limits.", s.Turned),
		counter("gateway_packets_total", "Packets accepted from clients.", s.Session.Packets),
		counter("gateway_packets_held_total", "Packets of clients that waited, since all sent more than max_packets.", s.Held),
		counter("gateway_pushed_total", "Messages handed to sessions as they came.", s.Pushed),
		counter("gateway_mail_stored_total", "Messages stored for clients that are away.", s.Stored),
		counter("gateway_mail_refused_total", "Messages beyond the limits, or not stored.", s.Refused),
		counter("gateway_mail_unknown_total", "Messages for nobody who is registered here.", s.Unknown),
		counter("gateway_mail_overrun_total", "Messages dropped because the queue of deliveries was full.", s.Overrun),
		counter("gateway_malformed_total", "Frames and messages that could not be read.", s.Malformed+s.Session.Malformed),
		counter("gateway_replayed_total", "Sealed frames seen before.", s.Session.Replayed),
	}
}

// DirectoryCounts are those of a directory.
func DirectoryCounts(s dirserver.Stats) []ops.Count {
	routable := 0
	if s.Routable {
		routable = 1
	}
	return []ops.Count{
		counter("directory_requests_total", "Requests of any kind.", s.Requests),
		counter("directory_limited_total", "Requests refused for their rate.", s.Limited),
		counter("directory_announcements_total", "Announcements taken.", s.Accepted),
		counter("directory_announcements_refused_total", "Announcements refused.", s.Refused),
		gauge("directory_sequence", "Number of the topology in force.", s.Sequence),
		gauge("directory_nodes", "Nodes in the topology in force.", s.Nodes),
		gauge("directory_routable", "1 if packets can cross the network of the topology in force.", routable),
	}
}
