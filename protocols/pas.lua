-- Paired associative stimulation: a nerve is stimulated, the motor cortex a fixed time later,
-- once every 20 s. Two channels: nerve and tms.
local mp = require "moonpulse"

return mp.protocol {
  id = "pas25",
  name = "PAS-25",
  family = "paired associative",
  aim = "to raise the excitability of the motor cortex: the nerve's volley arrives with the pulse",
  cite = "Stefan K et al. 2000 Brain 123:572-584",
  doi = "10.1093/brain/123.3.572",
  nerve = { "nerve" },
  target = "median nerve + M1 (APB)",
  dose = "TMS: SI1mV; nerve: 300 % perceptual threshold",
  session = "single session",
  sessions = { per_day = 1, days = 1, total = 1 },
  reported = "30 min",
  evidence = "S; 90 pairs at 0.05 Hz M-H",
  unconfirmed = "90 pairs, one every 20 s, were written down from memory",
  note = "The published 90 count TMS pulses only. Variants: 50 pairs at 0.1 Hz (Kujirai 2006), "
    .. "225 at 0.25 Hz, 240 at 0.2 Hz: -p pairs= and -p every=. SI1mV is the intensity of a 1 mV "
    .. "MEP.",
  params = {
    pairs = { default = 90, min = 1, max = 300, help = "number of pairs" },
    isi = { default = 25.0, min = 1, max = 100, help = "ms from the nerve's pulse to the TMS pulse" },
    every = { default = 20.0, min = 1, max = 60, help = "seconds from pair to pair" },
    tms = { default = mp.rmt(120), min = 1, max = 150,
      help = "SI1mV in the paper: about 120 %RMT; give the measured one as N%MSO" },
    nerve = { default = mp.mso(1), min = 1, max = 100, needed = true,
      help = "300 % of the perceptual threshold, in percent of the nerve stimulator's maximum: N%MSO" },
  },
  plan = function(p)
    local pair = mp.together {
      nerve = mp.pulse(p.nerve),
      tms = mp.rest(mp.ms(p.isi)) .. mp.pulse(p.tms),
    }
    return pair:label "PAS":times(p.pairs, { every = p.every })
  end,
  variants = {
    {
      id = "pas10",
      name = "PAS-10",
      aim = "to lower the excitability of the motor cortex: the pulse comes before the nerve's "
        .. "volley",
      cite = "Wolters A et al. 2003 J Neurophysiol 89:2339-2345",
      doi = "10.1152/jn.00900.2002",
      target = "median nerve + M1",
      dose = "as PAS-25",
      reported = "30 min",
      evidence = "M-H",
      defaults = { isi = 10 },
    },
  },
}
