-- Interleaved TMS-fMRI: blocks of 30 pulses at 3.125 Hz with pauses between them.
local mp = require "moonpulse"

return mp.protocol {
  id = "tmsfmri_inter",
  name = "Interleaved TMS-fMRI block",
  family = "imaging and online",
  aim = "to see in fMRI what a block of pulses does",
  cite = "Bestmann S et al. 2004 Eur J Neurosci 19:1950-1962",
  doi = "10.1111/j.1460-9568.2004.03277.x",
  target = "M1 / PMd",
  dose = "110 %RMT vs 90 %AMT control",
  reported = "30 pulses in 9.6 s blocks",
  evidence = "M-M (3.125 Hz, 30 pulses); 2 (pulse and scanner)",
  unconfirmed = "3.125 Hz, 30 pulses and the pause between blocks were written down from memory, "
    .. "and the pulses must be locked to the scanner's slices, which this plan alone does not do",
  note = "A pulse comes at least 50 ms before an RF excitation, or at least 40 ms before and 50 "
    .. "ms after a slice's readout: start from the scanner's trigger, not from a clock that runs "
    .. "freely. -p intensity=90%AMT is the control.",
  params = {
    pulses = { default = 30, min = 1, max = 100, help = "pulses of a block" },
    hz = { default = 3.125, min = 0.1, max = 10, help = "pulse rate; at most about 10 Hz between slices" },
    blocks = { default = 12, min = 1, max = 100, help = "number of blocks" },
    every = { default = 30.0, min = 1, max = 300, help = "seconds from a block's onset to the next" },
    intensity = { default = mp.rmt(110), min = 1, max = 130, help = "110 %RMT; 90 %AMT in the control" },
  },
  plan = function(p)
    local block = mp.train { pulses = p.pulses, hz = p.hz, intensity = p.intensity }
    return block:times(p.blocks, { every = p.every })
  end,
}
