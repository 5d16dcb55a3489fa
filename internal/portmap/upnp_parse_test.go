// SPDX-License-Identifier: MIT

package portmap_test

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"streamer/internal/portmap"
)

var gateway = netip.MustParseAddr("192.168.1.1")

func ssdp(location string) string {
	return "HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nLOCATION: " + location + "\r\n\r\n"
}

// An answer leads to the gateway's own address, or nowhere.
func TestLocation(t *testing.T) {
	for _, c := range []struct{ name, answer, want string }{
		{"good", ssdp("http://192.168.1.1:5000/rootDesc.xml"), "http://192.168.1.1:5000/rootDesc.xml"},
		{"another host", ssdp("http://192.168.1.2/rootDesc.xml"), ""},
		{"this machine", ssdp("http://127.0.0.1:8467/api/v1/stop"), ""},
		{"the internet", ssdp("http://8.8.8.8/"), ""},
		{"a name", ssdp("http://router.lan/"), ""},
		{"not HTTP", ssdp("https://192.168.1.1/"), ""},
		{"a file", ssdp("file://192.168.1.1/etc/passwd"), ""},
		{"with a password", ssdp("http://a:b@192.168.1.1/"), ""},
		{"no host", ssdp("/rootDesc.xml"), ""},
		{"long", ssdp("http://192.168.1.1/" + strings.Repeat("a", 300)), ""},
		{"no location", "HTTP/1.1 200 OK\r\n\r\n", ""},
		{"refused", "HTTP/1.1 404 Not Found\r\nLOCATION: http://192.168.1.1/\r\n\r\n", ""},
		{"a search", "M-SEARCH * HTTP/1.1\r\nLOCATION: http://192.168.1.1/\r\n\r\n", ""},
		{"too long", ssdp("http://192.168.1.1/") + strings.Repeat("a", 2048), ""},
		{"nothing", "", ""},
	} {
		u, err := portmap.ParseLocation([]byte(c.answer), gateway)
		if got := ""; err == nil {
			if got = u.String(); got != c.want {
				t.Errorf("%s: got %q, want %q", c.name, got, c.want)
			}
		} else if c.want != "" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

const description = `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device>
<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><deviceList><device><deviceList><device><serviceList>
<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>/ctl</controlURL></service>
</serviceList></device></deviceList></device></deviceList></device></root>`

func TestDescription(t *testing.T) {
	at := &url.URL{Scheme: "http", Host: "192.168.1.1:5000", Path: "/rootDesc.xml"}
	base := func(u string) string {
		return strings.Replace(description, "<device>", "<URLBase>"+u+"</URLBase><device>", 1)
	}
	for _, c := range []struct {
		name, xml, control string // control "": refused
	}{
		{"good", description, "http://192.168.1.1:5000/ctl"},
		{"with a base", base("http://192.168.1.1:6000/"), "http://192.168.1.1:6000/ctl"},
		{"with a base elsewhere", base("http://192.168.1.2/"), ""},
		{"with a base that is none", base("::"), ""},
		{"not XML", "<html>", ""},
		{"an entity", `<!DOCTYPE a [<!ENTITY b "bb">]><root xmlns="urn:schemas-upnp-org:device-1-0"><URLBase>&b;</URLBase></root>`, ""},
	} {
		root, err := portmap.ParseDescription(strings.NewReader(c.xml), at, gateway)
		if err != nil {
			if c.control != "" {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		services := root.Device.FindService("urn:schemas-upnp-org:service:WANIPConnection:1")
		if len(services) != 1 || services[0].ControlURL.URL.String() != c.control {
			t.Errorf("%s: services %v, want one at %q", c.name, services, c.control)
		}
	}
}

func FuzzParseLocation(f *testing.F) {
	f.Add([]byte(ssdp("http://192.168.1.1:5000/rootDesc.xml")))
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := portmap.ParseLocation(b, gateway)
		if err == nil && (u.Hostname() != "192.168.1.1" && u.Hostname() != "::ffff:192.168.1.1" && u.Hostname() != "::ffff:c0a8:101") {
			t.Errorf("%q leads to %v", b, u)
		}
	})
}

func FuzzParseDescription(f *testing.F) {
	f.Add(description)
	at := &url.URL{Scheme: "http", Host: "192.168.1.1:5000", Path: "/rootDesc.xml"}
	f.Fuzz(func(t *testing.T, s string) {
		root, err := portmap.ParseDescription(strings.NewReader(s), at, gateway)
		if err == nil && root.URLBase.Hostname() != "192.168.1.1" && !strings.Contains(root.URLBase.Hostname(), ":") {
			t.Errorf("base %v", &root.URLBase)
		}
	})
}
