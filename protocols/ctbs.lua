-- Continuous theta burst: bursts of 3 pulses at 50 Hz (or 30 Hz), repeated at 5 Hz (or 6 Hz)
-- without a pause.
local mp = require "moonpulse"

local wu = "Wu SW, Shahana N, Huddleston DA, Gilbert DL. 2012 J Neurosci Methods 208:161-164"
local once = { per_day = 1, days = 1, total = 1 }

return mp.protocol {
  id = "ctbs600",
  name = "cTBS (600)",
  family = "theta burst",
  aim = "to lower the excitability of the motor cortex after the stimulation",
  cite = "Huang YZ, Edwards MJ, Rounis E, Bhatia KP, Rothwell JC. 2005 Neuron 45:201-206",
  doi = "10.1016/j.neuron.2004.12.033",
  target = "M1 (also right DLPFC, parietal)",
  dose = "80 %AMT",
  session = "single session",
  sessions = once,
  reported = "40 s",
  evidence = "2",
  params = {
    bursts = { default = 200, min = 1, max = 400, help = "number of bursts" },
    hz = { default = 50.0, min = 1, max = 100, help = "pulse rate inside a burst" },
    theta_hz = { default = 5.0, min = 1, max = 10, help = "rate of the bursts" },
    intensity = { default = mp.amt(80), min = 1, max = 130, help = "percent of the threshold" },
  },
  plan = function(p)
    local burst = mp.burst { pulses = 3, hz = p.hz, intensity = p.intensity }
    return mp.train { of = burst, hz = p.theta_hz, count = p.bursts }
  end,
  variants = {
    {
      id = "ctbs300",
      name = "cTBS (300)",
      target = "M1",
      reported = "20 s",
      evidence = "S",
      defaults = { bursts = 100 },
    },
    {
      id = "ctbs1200",
      name = "cTBS prolonged (1200)",
      aim = "to see what twice the length does: the after-effect turned into facilitation",
      cite = "Gamboa OL, Antal A, Moliadze V, Paulus W. 2010 Exp Brain Res 204:181-187",
      doi = "10.1007/s00221-010-2293-4",
      target = "M1",
      reported = "80 s",
      evidence = "S",
      note = "Longer is not stronger: the after-effect was reversed to facilitation in the source.",
      defaults = { bursts = 400 },
    },
    {
      id = "ctbs600_30hz_6hz",
      name = "cTBS 30 Hz / 6 Hz (modified)",
      cite = "Goldsworthy MR, Pitcher JB, Ridding MC. 2012 Clin Neurophysiol 123:2256-2263",
      doi = "10.1016/j.clinph.2012.05.001",
      target = "M1, FEF",
      dose = "80 %AMT (also 70 %RMT)",
      reported = "33.3 s",
      evidence = "S; Goldsworthy 2012 M-H",
      unconfirmed = "the rates, the number of bursts and the intensity were written down from memory",
      note = "\"30 Hz TBS\" is ambiguous: bursts at 5 Hz and at 6 Hz both exist. 1/30 s and 1/6 "
        .. "s are no whole microseconds; the onsets are exact fractions, rounded once.",
      defaults = { hz = 30, theta_hz = 6 },
    },
    {
      id = "ctbs600_30hz_5hz",
      name = "cTBS 30 Hz / 5 Hz",
      cite = wu,
      doi = "10.1016/j.jneumeth.2012.05.014",
      target = "M1",
      dose = "90 %RMT",
      reported = "40 s",
      evidence = "S",
      note = "\"30 Hz TBS\" is ambiguous: bursts at 5 Hz and at 6 Hz both exist.",
      defaults = { hz = 30, intensity = mp.rmt(90) },
    },
  },
}
