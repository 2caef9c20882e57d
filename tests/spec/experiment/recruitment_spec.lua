--- An input-output curve as a run: the order in which intensities come, what is fitted to the MEPs of a
--- simulated muscle, and where the record tells of it.
local author = require "author"
local boltzmann = require "moonpulse.experiment.boltzmann"
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

--- What the simulator was set to when it gave its pulses.
local function given_at(run)
  local given = {}
  for _, row in ipairs(shell.rows(run .. "/twin.tsv")) do
    given[#given + 1] = row.event == "pulse" and math.tointeger(tonumber(row.intensity)) or nil
  end
  return given
end

describe("an input-output curve", function()
  local folder
  fixture.each_test(function(of) folder = of end)

  local function newest(place)
    local names = core.run_states(place)
    table.sort(names)
    return place .. "/" .. names[#names]
  end

  --- The shipped example with these answers.
  local function perform(answers, more, place)
    shell.write(folder .. "/answers", table.concat(answers, "\n") .. "\n")
    place = folder .. "/" .. (place or "runs")
    local status, out, err = shell.moonpulse(folder, ("run scripts/input_output_curve.lua --speed max "
      .. "--seed 11 --answers %s/answers --out %s %s"):format(folder, place, more or ""))
    return status, newest(place), out, err
  end

  --- The same for somebody whose MEPs are known: the same seed gives the same order.
  ---@param respond fun(mso: integer): number uV
  local function of_subject(respond, more, place)
    local _, before = perform({ 100 }, more, "before")
    local order = fixture.manifest(before).experiment.curves[1]
    assert.are.equal(1, order.trials) -- broke off: there is no second answer
    local flat = {}
    for i = 1, order.planned do
      flat[i] = 100
    end
    local _, flat_run = perform(flat, more, "flat")
    local answers, track = {}, {}
    for i, mso in ipairs(given_at(flat_run)) do
      answers[i] = ("%.3f"):format(math.max(1, respond(mso)))
      track[i] = { intensity = mso, mep_uv = tonumber(answers[i]) }
    end
    local status, run, out, err = perform(answers, more, place)
    assert.are.equal(0, status, err)
    return run, track, out
  end

  --- A muscle of the published model.
  local function of_muscle(seed, more)
    local muscle = core.muscle(seed)
    return of_subject(function(mso) return muscle:respond(mso) * 1e6 end, more)
  end

  --- A muscle whose threshold is about 45 %MSO, so that 40 to 80 has its curve.
  local function one_near(mso)
    for seed = 1, 200 do
      if math.abs(core.muscle(seed):intensity_of(0.5) - mso) < 1 then
        return seed
      end
    end
  end

  it("gives each intensity as often, in an order of the seed, and fits what came", function()
    local run, track, out = of_muscle(one_near(48), "-p to=80")
    local given, count = given_at(run), {}
    assert.are.equal(90, #given)
    local up, whole_blocks = 0, 0
    for i, mso in ipairs(given) do
      count[mso] = (count[mso] or 0) + 1
      up = up + (i > 1 and given[i - 1] < mso and 1 or 0)
      if i % 9 == 0 then
        local kinds, different = {}, 0
        for _, each in ipairs { table.unpack(given, i - 8, i) } do
          different, kinds[each] = different + (kinds[each] and 0 or 1), true
        end
        whole_blocks = whole_blocks + (different == 9 and 1 or 0)
      end
    end
    for mso = 40, 80, 5 do
      assert.are.equal(10, count[mso], mso)
    end
    assert.is_true(up > 20 and up < 60, up) -- of 89 about 40 go up by chance, 80 in the order of the list
    assert.is_true(whole_blocks <= 2, whole_blocks) -- each block having all is no random order
    local curve = fixture.manifest(run).experiment.curves[1]
    assert.are.same({ "%MSO", "random", 10, 90, 90 }, { curve.unit, curve.order, curve.repeats, curve.planned,
      curve.trials })
    assert.are.same(track, curve.track)
    local fit = assert(boltzmann.fit(track)) -- that itself is tested in boltzmann_spec
    assert.is_near(fit.s50, curve.fit.s50, 1e-7)
    assert.is_near(fit.intervals.k.high, curve.fit.intervals.k.high, 1e-7)
    assert.matches(("S50 %.4g %%MSO (95 %% interval %.4g to %.4g)"):format(fit.s50, fit.intervals.s50.low,
      fit.intervals.s50.high), out, 1, true)
    -- between the two halves of the muscle's own mean, found from many pulses that nobody fitted
    local muscle, at = core.muscle(one_near(48)), {}
    for mso = 40, 80 do
      at[mso] = 0
      for _ = 1, 300 do
        at[mso] = at[mso] + muscle:respond(mso) * 1e6 / 300
      end
    end
    assert.is_true(at[80] > 0 and boltzmann.at(curve.fit, 60) / at[60] > 0.6
      and boltzmann.at(curve.fit, 60) / at[60] < 1.6, ("%g, %g"):format(boltzmann.at(curve.fit, 60), at[60]))
  end)

  it("stands in record, report, methods and --json, is verified, done again and recovered", function()
    local run = of_muscle(one_near(48), "-p to=80")
    local curve = fixture.manifest(run).experiment.curves[1]
    local page = shell.read(run .. "/report.html")
    assert.matches("<p class=\"big\">Input-output curve: MEPmax ", page, 1, true)
    local _, dots = page:match('id="curve".-</section>'):gsub("a2%.5 2%.5 0 1 0 5 0a", "")
    assert.are.equal(90, dots)
    local status, words = shell.moonpulse(folder, "methods " .. run)
    assert.are.equal(0, status)
    words = words:gsub("%s+", " ")
    assert.matches("An input-output curve was measured at 9 intensities from 40 to 80 %MSO, 10 pulses at "
      .. "each in random order, with 90 MEPs.", words, 1, true)
    assert.matches("The Boltzmann function (Devanne H et al. 1997", words, 1, true)
    assert.matches(("S50 %.4g %%MSO"):format(curve.fit.s50), words, 1, true)
    assert.are.equal(0, (shell.moonpulse(folder, "verify " .. run)))
    assert.are.equal(0, (shell.moonpulse(folder, ("rerun %s --out %s/again"):format(run, folder))))
    assert.are.same(curve, fixture.manifest(newest(folder .. "/again")).experiment.curves[1])
    local torn = folder .. "/torn"
    shell.copy(run, torn)
    for _, name in ipairs { "SHA256SUMS", "report.html", "verify.sh" } do
      os.remove(torn .. "/" .. name)
    end
    local manifest = fixture.manifest(torn)
    manifest.status, manifest.experiment.curves, manifest.ended = "running", nil, nil
    manifest.journal_head, manifest.journal_lines = nil, nil
    shell.write(torn .. "/manifest.json", cjson.encode(manifest))
    shell.moonpulse(folder, "recover " .. torn)
    assert.are.same(curve, fixture.manifest(torn).experiment.curves[1])
    -- a number that was changed in the manifest alone is told
    manifest = fixture.manifest(run)
    manifest.experiment.curves[1].fit.s50 = curve.fit.s50 + 1
    shell.write(run .. "/manifest.json", cjson.encode(manifest))
    fixture.seal(run)
    local differs, said = shell.moonpulse(folder, "verify " .. run)
    assert.are.equal(1, differs)
    assert.matches("experiment%.curves%[1%]%.fit%.s50 is %S+, and journal%.jsonl makes", said)
  end)

  it("is told by run --json, as its schema has it", function()
    local answers = {}
    for i = 1, 70 do
      answers[i] = 100 + i % 7
    end
    local status, run, out = perform(answers, "--json")
    assert.are.equal(0, status)
    local said = cjson.decode(out)
    assert.are.same({ { why = "the MEPs do not grow with the intensity", unit = "%MSO", trials = 70 } },
      said.curves)
    assert.are.equal("the MEPs do not grow with the intensity",
      fixture.manifest(run).experiment.curves[1].why)
    shell.write(folder .. "/said.json", out)
    local judged, text, err = shell.sh(folder, ("python3 tests/helpers/check_schema.py --any-order "
      .. "docs/schemas/run.schema.json %s/said.json"):format(folder))
    assert.are.equal(0, judged, text .. err)
    judged, text, err = shell.sh(folder, ("python3 tests/helpers/check_schema.py docs/schemas/"
      .. "manifest.schema.json %s/manifest.json"):format(run))
    assert.are.equal(0, judged, text .. err)
  end)

  it("says which part of the curve was not reached", function()
    local function subject(s50, range)
      return of_subject(function(mso) return 2000 / (1 + math.exp((s50 - mso) / 4)) end, range)
    end
    local run, _, out = subject(54, "-p from=40 -p to=58 -p step=3")
    local fit = fixture.manifest(run).experiment.curves[1].fit
    assert.is_near(54, fit.s50, 1e-3)
    assert.is_near(1 / (1 + math.exp(-1)), fit.highest_share, 1e-4) -- 73 %
    assert.matches("; no plateau was reached: the highest intensity is at 73 % of MEPmax, which is "
      .. "extrapolated", out, 1, true)
    assert.not_matches("foot", out)
    local _, words = shell.moonpulse(folder, "methods " .. run)
    words = words:gsub("%s+", " ")
    assert.matches("No plateau was reached: the highest intensity is at 73 % of MEPmax", words, 1, true)
    _, _, out = subject(54, "-p from=49 -p to=73 -p step=4")
    assert.matches("the curve's foot was not reached: the lowest intensity is at 22 % of MEPmax", out, 1,
      true)
    assert.not_matches("plateau", out)
    run, _, out = subject(62, "-p from=40 -p to=58 -p step=3")
    assert.is_nil(fixture.manifest(run).experiment.curves[1].fit)
    assert.matches("no input-output curve: less than half of a plateau was reached", out, 1, true)
  end)

  it("of a run that broke off has its MEPs, and no fit", function()
    local status, run = perform({ 100, 200, 300 }, "", "broken")
    assert.are_not.equal(0, status)
    local curve = fixture.manifest(run).experiment.curves[1]
    assert.is_nil(curve.fit)
    assert.are.equal("the run ended before it did", curve.why)
    assert.are.equal(3, #curve.track)
    local _, said = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(run, folder))
    assert.matches("pulses      SAME", said, 1, true)
    assert.not_matches("around      DIFFERS", said, 1, true)
    -- a curve that nobody measured
    local _, _, _, other = author.perform(folder, "local stim = run:device()", "stim:arm() stim:disarm()")
    local manifest = fixture.manifest(other)
    manifest.experiment.curves = { curve }
    shell.write(other .. "/manifest.json", cjson.encode(manifest))
    fixture.seal(other)
    local differs, told = shell.moonpulse(folder, "verify " .. other)
    assert.are.equal(1, differs)
    assert.matches("experiment.curves", told, 1, true)
  end)

  it("comes in blocks, in percent of a threshold, and refuses what cannot be given before the first pulse",
    function()
      local body = [[
        stim:arm()
        for trial, intensity in run:recruitment { %s } do
          run:sleep(6)
          stim:fire(mp.pulse { intensity = mp.rmt(intensity) })
          trial:answer(%s)
        end
        stim:disarm()]]
      local function script(options, answer, more)
        return author.perform(folder, "local stim = run:device()", body:format(options, answer or "100"),
          more)
      end
      local list = 'intensities = { 90, 100, 120, 140 }, of = "RMT", repeats = 3, order = "blocks"'
      local status, _, err, run = script(list, nil, "--rmt 50")
      assert.are.equal(0, status, err)
      local given = given_at(run)
      for block = 0, 2 do
        local three = { table.unpack(given, block * 4 + 1, block * 4 + 4) }
        table.sort(three)
        assert.are.same({ 45, 50, 60, 70 }, three)
      end
      local function refuses(options, text, more, answer)
        local _, _, why, made = script(options, answer, more or "--rmt 50")
        assert.matches(text, why, 1, true)
        return made
      end
      run = refuses(list, "140 %RMT of a threshold of 80 %MSO is 112 %MSO, over 100", "--rmt 80")
      assert.are.same({}, given_at(run))
      refuses(list, "needs the participant's resting motor threshold", "--amt 40")
      refuses("from = 40, to = 50, step = 5", "a curve needs at least 4 intensities, and there are 3")
      refuses("from = 40, to = 30, step = 5", "the lower one comes first")
      refuses("from = mp.mso(40), to = 70, step = 5", "from must be a number, like 40")
      refuses("from = 40, to = '70', step = 5", "to must be a number, like 40")
      refuses("from = 40, to = 70", "say the intensities as a list")
      refuses("intensities = { 40, 50, 60, 60 }", "60 is there twice")
      refuses("intensities = { 40, 50, 60, 170 }", "above 0 and up to 100 %MSO")
      refuses('from = 40, to = 70, step = 5, order = "down"', 'order is "random"')
      refuses("from = 40, to = 70, step = 5, repeats = 0", "repeats must be a whole number")
      refuses("from = 40, to = 70, step = 1, repeats = 100", "are 3100 trials")
      refuses("from = 40, to = 70, step = 5", "the MEP's amplitude is needed", nil, "true")
      refuses("from = 40, to = 70, step = 5, colour = 1", "colour")
    end)
end)
