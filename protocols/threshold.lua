-- The pulses of a search for the motor threshold. The search itself is closed loop: after each
-- response somebody decides on the next intensity.
local mp = require "moonpulse"

return mp.protocol {
  id = "rmt_rossini",
  name = "Threshold: Rossini-Rothwell 5 of 10",
  family = "threshold",
  aim = "to find the motor threshold: the lowest intensity with 5 responses in 10 pulses",
  cite = "Rossini PM et al. 1994 EEG Clin Neurophysiol 91:79; Rossini 2015 Clin Neurophysiol "
    .. "126:1071",
  doi = "10.1016/j.clinph.2015.02.001",
  target = "M1 hotspot",
  dose = "starts ~35-45 %MSO, +5 %, then -1 %",
  session = "once per session",
  reported = "about 75 pulses",
  evidence = "2",
  note = "Up in steps of 5 %MSO until MEPs over 50 uV (200 uV for AMT) come consistently, then "
    .. "down by 1 % until fewer than 5 of 10 exceed it; the threshold is that plus 1. This plan "
    .. "holds one intensity: give each step with -p pulses=10 -p intensity=N%MSO and count the "
    .. "responses.",
  params = {
    pulses = { default = 75, min = 1, max = 500, help = "number of pulses" },
    shortest = { default = 5.0, min = 3, max = 60, help = "shortest interval, s, onset to onset" },
    longest = { default = 5.0, min = 3, max = 60, help = "longest interval, s, onset to onset" },
    intensity = { default = mp.mso(40), min = 1, max = 100, help = "start near 35-45 %MSO" },
  },
  plan = function(p)
    local trials, pulse = {}, mp.pulse(p.intensity)
    for i = 1, p.pulses do
      trials[i] = pulse
    end
    return mp.trials { of = trials, shortest = p.shortest, longest = p.longest }
  end,
  variants = {
    {
      id = "rmt_mlpest",
      name = "Threshold: ML-PEST (MTAT)",
      aim = "to find the motor threshold with few pulses, each at the likeliest threshold so far",
      cite = "Awiszus F. 2003 Suppl Clin Neurophysiol 56:13-23; Ah Sen 2017 PLoS One",
      doi = "10.1371/journal.pone.0186007",
      dose = "first 45 %MSO (MTAT default 37-45, M-L)",
      reported = "about 15-20 pulses",
      evidence = "2",
      note = "The threshold program names each next intensity: give every pulse with -p pulses=1 "
        .. "-p intensity=N%MSO. The two-threshold method takes about 45 pulses.",
      defaults = { pulses = 17, intensity = mp.mso(45) },
    },
  },
}
