-- Input-output (recruitment) curve: MEP amplitude over intensity, in random order, with its Boltzmann fit.
--
--   moonpulse run input_output_curve                          40 to 70 %MSO, on the simulator
--   moonpulse run input_output_curve -p of=RMT -p from=90 -p to=150 -p step=10 --rmt 45
--   moonpulse run input_output_curve --device magventure --port /dev/ttyUSB0 --participant P07
--
-- Pulses closer than 4.5 s are a train to the safety check, judged as the strongest of its table while no
-- threshold is known: hence the pause. The fit and its intervals: docs/experiments.md.
local mp = require "moonpulse"

return mp.experiment {
  name = "Input-output curve",
  aim = "to measure how the MEP grows with the intensity",
  cite = "Boltzmann sigmoid: Devanne H, Lavoie BA, Capaday C. 1997 Exp Brain Res 114:329-338",
  doi = "10.1007/PL00005641",
  params = {
    from = { default = 40, min = 1, max = 300, help = "the lowest intensity" },
    to = { default = 70, min = 1, max = 300, help = "the highest one, beyond which there is a plateau" },
    step = { default = 5, min = 1, max = 50, help = "from one intensity to the next" },
    repeats = { default = 10, min = 1, max = 100, help = "pulses at each intensity" },
    of = { default = "MSO", values = { "MSO", "RMT", "AMT" }, help = "percent of what" },
    order = { default = "random", values = { "random", "blocks", "given" },
      help = "blocks: each intensity once in each" },
    pause = { default = 5.0, min = 0, max = 60, help = "s; 0 to 2 s more are drawn for each trial" },
  },
  run = function(run)
    local stim, given = run:device(), run.params
    local curve = run:recruitment { from = given.from, to = given.to, step = given.step,
      repeats = given.repeats, of = given.of, order = given.order }
    local percent = ({ MSO = mp.mso, RMT = mp.rmt, AMT = mp.amt })[given.of]
    stim:arm()
    for trial, intensity in curve do
      run:sleep(run:uniform(given.pause, given.pause + 2))
      stim:fire(mp.pulse { intensity = percent(intensity) })
      trial:answer(run:ask "MEP in uV? [number]")
    end
    stim:disarm()
  end,
}
