-- ccPAS with two stimulators, and what it changed: MEPs of M1 alone and with PMv before it, in random
-- order, before and after. Their interval is kept by one clock, either ours: two devices, and their
-- intensities in % of each one's own threshold (docs/several-devices.md),
--
--   moonpulse run ccpas_meps --device PMv=magventure@/dev/ttyUSB0 --device M1=magstim200@/dev/ttyUSB1 \
--     --rmt PMv=46 --rmt M1=52 -p first=90%RMT -p second=120%RMT
--
-- or that of one Pulse Pal (or StimJim), an output of which triggers each: then the intensities are set at
-- the stimulators themselves.
--
--   moonpulse run ccpas_meps --device sim:pulsepal --device-option channels=PMv=1,M1=2 \
--     -p first=50%MSO -p second=60%MSO
local mp = require "moonpulse"

return mp.experiment {
  name = "ccPAS (PMv to M1) with MEPs before and after",
  aim = "to strengthen the path from the premotor to the motor cortex",
  cite = "Buch ER, Johnen VM, Nelissen N, O'Shea J, Rushworth MFS. 2011 J Neurosci 31:17669-17679",
  doi = "10.1523/JNEUROSCI.1513-11.2011",
  params = {
    first = { default = mp.mso(1), min = 1, max = 150, needed = true, help = "at PMv, like 50%MSO" },
    second = { default = mp.mso(1), min = 1, max = 150, needed = true, help = "at M1" },
    isi = { default = 8.0, min = 1, max = 100, help = "ms from PMv to M1" },
    pairs = { default = 90, min = 1, max = 300, help = "number of pairs" },
    every = { default = 10.0, min = 4.5, max = 60, help = "s from pair to pair" },
    meps = { default = 10, min = 1, max = 60, help = "trials of each kind before, and after" },
  },
  run = function(run)
    local stim, p = run:device(), run.params
    local alone = mp.pulse(p.second):at "M1"
    local pair = mp.pulse(p.first):at "PMv" .. mp.rest(mp.ms(p.isi)) .. alone

    --- M1 alone and PMv to M1 in random order, 5 to 7 s apart: by how much PMv changes the MEP, in percent.
    local function probe(when)
      local sums = { alone = 0, pair = 0 }
      for _, kind in ipairs(run:shuffle({ "alone", "pair" }, { blocks = p.meps })) do
        stim:fire((kind == "pair" and pair:label("PMv-M1 " .. when) or alone:label("M1 " .. when)))
        local given = run:now()
        local mep = run:ask(("%s, %s: MEP in uV? [number 0 to 50000]"):format(when, kind))
        sums[kind] = sums[kind] + tonumber(mep)
        run:sleep(math.max(0, given + run:uniform(5, 7) - run:now()))
      end
      return sums.alone > 0 and ("%.0f %%"):format(100 * sums.pair / sums.alone) or "n/a: no MEP of M1 alone"
    end

    stim:arm(pair) -- both, before anything is given
    local before = probe "before"
    stim:play(pair:label "ccPAS":times(p.pairs, { every = p.every }))
    local after = probe "after"
    stim:disarm()
    run:note(("MEP with PMv before it, of M1 alone: %s before, %s after"):format(before, after))
  end,
}
