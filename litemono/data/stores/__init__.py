"""Frames, depth and masks as training reads them: from folders or packs, by threads. How packs are made: ../packing.

base.py                 what a store is
folder.py               image files; images.py: decoding; headers.py: a look at their first bytes; arrays.py: depth and masks
packed.py               packs of drives; packed_index.py: packed.json; packed_jpeg.py: --jpeg; drive_maps.py: depth and masks
picture_pack.py         packs of single pictures; picture_index.py: pictures.json
composites.py           backgrounds, pictures, masks, depths of litemono segment
shared_file.py          a file of a pack, read by position; staging.py: --stage
index_file.py           what the indices of packs share; pack_size.py: bytes that a training reads, for --mem
"""
