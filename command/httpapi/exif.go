package httpapi

import (
	"bytes"
	"encoding/binary"
)

const (
	exifOrientation = 0x0112 // tag 274 (Exif 2.32, 4.6.4)
	maxEntries      = 512
)

// orientation finds the EXIF orientation of a JPEG; 1, as it is, when there is
// none. Whatever is wrong with the metadata is no reason to refuse a picture.
func orientation(raw []byte) int {
	if len(raw) < 4 || raw[0] != 0xff || raw[1] != 0xd8 {
		return 1
	}
	for at := 2; at+4 <= len(raw) && raw[at] == 0xff; {
		marker, size := raw[at+1], int(binary.BigEndian.Uint16(raw[at+2:]))
		if marker == 0xda || size < 2 || at+2+size > len(raw) { // start of scan: the pixels
			return 1
		}
		segment := raw[at+4 : at+2+size]
		if tiff, ok := bytes.CutPrefix(segment, []byte("Exif\x00\x00")); marker == 0xe1 && ok {
			return tiffOrientation(tiff)
		}
		at += 2 + size
	}
	return 1
}

func tiffOrientation(tiff []byte) int {
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.BigEndian
	if tiff[0] == 'I' {
		order = binary.LittleEndian
	}
	first := uint64(order.Uint32(tiff[4:]))
	if first+2 > uint64(len(tiff)) {
		return 1
	}
	directory := tiff[first:]
	n := min(int(order.Uint16(directory)), maxEntries)
	for i := range n {
		at := 2 + 12*i
		if at+12 > len(directory) {
			return 1
		}
		if order.Uint16(directory[at:]) == exifOrientation {
			return int(order.Uint16(directory[at+8:]))
		}
	}
	return 1
}
