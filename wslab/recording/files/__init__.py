"""Files that others read and write: captures (pcap, pcapng), HAR and data frames."""
