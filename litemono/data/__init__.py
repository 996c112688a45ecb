"""From files to augmented batches on the training device. What data sets are: datasets; how frames are stored: stores, packing.

    litemono     settings               samples                augmentation
    train        settings.py            triplets.py            augment.py
    finetune     depth_settings.py      depth_samples.py       augment_depth.py
    refine       refine_settings.py     refine_samples.py      augment_depth.py
    segment      composite_settings.py  composite_samples.py   augment_composites.py

splits.py               lists of samples; missing_frames.py: are their frames there?
intrinsics.py           the camera of a sample
fit.py                  --fit; resample.py: Pillow's resize on any device
depth_data.py           from flags to samples with ground truth; depth_source.py: what its numbers mean
mirrored.py             maps beside the images: frozen depth, object masks
sampler.py              the order of samples; mixture.py: of several data sets; mix_flag.py: --mix
loader.py               the threads that read; batch.py: what they hand over
"""
