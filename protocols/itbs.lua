-- Intermittent theta burst: bursts of 3 pulses, ten bursts at 5 Hz (2 s), one such train every 10 s.
local mp = require "moonpulse"

local huang = "Huang YZ, Edwards MJ, Rounis E, Bhatia KP, Rothwell JC. 2005 Neuron 45:201-206"
local threed = "Blumberger DM et al. 2018 Lancet 391:1683-1692"
local daily = { per_day = 1, days = { 20, 30 }, total = { 20, 30 } }

return mp.protocol {
  id = "itbs600",
  name = "iTBS (600)",
  family = "theta burst",
  aim = "to raise the excitability of the motor cortex after the stimulation",
  cite = huang,
  doi = "10.1016/j.neuron.2004.12.033",
  target = "M1 (hotspot)",
  dose = "80 %AMT",
  session = "single session (research)",
  sessions = { per_day = 1, days = 1, total = 1 },
  reported = "190 s (Huang); 192 s; 3 min; 3 min 9 s (THREE-D); 200 s (NIBS-BIDS)",
  evidence = "2",
  note = "190 s is the onset of train 20; the last pulse is at 191.84 s. \"8 s between trains\" "
    .. "is the gap from a train's nominal end to the next onset.",
  params = {
    blocks = { default = 1, min = 1, max = 10, help = "blocks of all trains" },
    pause = { default = 900.0, min = 1, max = 7200,
      help = "seconds from a block's nominal end to the next block" },
    trains = { default = 20, min = 1, max = 60, help = "number of 2 s trains, one every 10 s" },
    hz = { default = 50.0, min = 1, max = 100, help = "pulse rate inside a burst" },
    intensity = { default = mp.amt(80), min = 1, max = 130, help = "percent of the threshold" },
  },
  plan = function(p)
    local burst = mp.burst { pulses = 3, hz = p.hz, intensity = p.intensity }
    local train = mp.train { of = burst, hz = 5, duration = 2 }
    local block = train:times(p.trains, { every = 10 })
    return p.blocks == 1 and block or block:times(p.blocks, { gap = p.pause })
  end,
  variants = {
    {
      id = "itbs600_threed",
      name = "iTBS depression (THREE-D arm)",
      aim = "to treat depression",
      cite = threed,
      doi = "10.1016/S0140-6736(18)30295-2",
      target = "left DLPFC (MRI-guided)",
      dose = "120 %RMT",
      session = "5 d/wk, 4-6 wk (20-30 sessions)",
      sessions = daily,
      reported = "3 min 9 s (M-H); \"3 min\" (abstract)",
      evidence = "S",
      note = "Far above the 80 %AMT of Huang 2005, and not covered by the 2009 safety tables. 3 "
        .. "min 9 s fits none of the three durations.",
      defaults = { intensity = mp.rmt(120) },
    },
    {
      id = "itbs1200",
      name = "iTBS prolonged (1200)",
      aim = "to see what twice the length does: the after-effect turned into inhibition",
      cite = "Gamboa OL, Antal A, Moliadze V, Paulus W. 2010 Exp Brain Res 204:181-187",
      doi = "10.1007/s00221-010-2293-4",
      target = "M1",
      session = "single session",
      sessions = { per_day = 1, days = 1, total = 1 },
      reported = "about 6.5 min (390 s)",
      evidence = "S",
      note = "Longer is not stronger: the after-effect was reversed to inhibition in the source.",
      defaults = { trains = 40 },
    },
    {
      id = "itbs1800",
      name = "iTBS (1800, one continuous block)",
      aim = "three sessions of iTBS in one block; depression in Li 2014",
      cite = "Li CT et al. 2014 Brain 137:2088-2098; Yu F et al. 2020 Front Neurosci 14:576",
      doi = "10.3389/fnins.2020.00576",
      target = "M1 or left DLPFC",
      dose = "80 %AMT or 80-120 %RMT",
      session = "1/day, 10 d (Li 2014); single (Yu 2020)",
      sessions = { per_day = 1, days = { 1, 10 }, total = { 1, 10 } },
      reported = "about 10 min",
      evidence = "S; Li 2014 M-H",
      note = "1800 pulses in one block reduced excitability in Yu 2020.",
      defaults = { trains = 60 },
    },
    {
      id = "itbs600x3_15min",
      name = "iTBS 3 x 600 with 15 min gaps",
      aim = "to raise excitability further with each block",
      cite = "Nettekoven C et al. 2014 J Neurosci 34:6849-6859",
      doi = "10.1523/JNEUROSCI.4993-13.2014",
      target = "M1",
      dose = "70 %RMT",
      session = "3 blocks in a visit",
      sessions = { per_day = 1, days = 1, total = 1 },
      reported = "3 blocks, 15 min apart",
      evidence = "2",
      note = "The 15 min are taken as the gap from a block's nominal end to the next onset. -p "
        .. "blocks=1 gives one block, for an operator who times the pauses.",
      defaults = { blocks = 3, intensity = mp.rmt(70) },
    },
    {
      id = "saint",
      name = "SAINT / SNT (1 session of 50)",
      aim = "to treat resistant depression within five days",
      cite = "Cole EJ et al. 2020 Am J Psychiatry 177:716-726; Cole 2022 179:132-141",
      doi = "10.1176/appi.ajp.2019.19070720; 10.1176/appi.ajp.2021.20101429",
      target = "left DLPFC, fMRI-individualised (anticorrelated with sgACC)",
      dose = "90 %RMT (depth-adjusted)",
      session = "10 sessions/day x 5 consecutive days, 50 min between sessions (hourly); "
        .. "18000/day, 90000 total",
      sessions = { per_day = 10, days = 5, total = 50, gap_min = 50 * 60 },
      reported = "10 min session",
      evidence = "2; 60 trains and 8 s gap M-H",
      note = "The 50 min run from the end of a session to the start of the next: 9.9 + 50 = 59.9 "
        .. "min, \"hourly\". The adjustment for depth is the operator's: give it with -p "
        .. "intensity.",
      defaults = { trains = 60, intensity = mp.rmt(90) },
    },
    {
      id = "itbs600_30hz_5hz",
      name = "iTBS 30 Hz / 5 Hz",
      aim = "as iTBS, at an intensity that a device cannot reach at 50 Hz",
      cite = "Wu SW, Shahana N, Huddleston DA, Gilbert DL. 2012 J Neurosci Methods 208:161-164",
      doi = "10.1016/j.jneumeth.2012.05.014",
      target = "M1",
      dose = "90 %RMT",
      session = "single session",
      sessions = { per_day = 1, days = 1, total = 1 },
      reported = "about 192 s",
      evidence = "S",
      note = "Reason given: the device can reach a higher intensity at 30 Hz than at 50 Hz.",
      defaults = { hz = 30, intensity = mp.rmt(90) },
    },
  },
}
