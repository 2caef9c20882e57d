-- The sentences of moonpulse methods on what the rows of a run and its manifest say.
local checklists = require "moonpulse.methods.checklist"
local paragraphs = require "moonpulse.methods.paragraph"
local record = require "moonpulse.record.read"
local runs = require "moonpulse.methods.of_run"

describe("the sentences on what the rows say", function()
  local header = "onset\tevent\tpulse\tonset_planned_us\tonset_sent_us\tlateness_us\tchannel\t"
    .. "intensity_mso\tintensity\tintensity_ref\tstatus\ttrial_type\n"

  --- Of pulses a second apart: status, condition.
  local function text_of(list, manifest)
    local lines = {}
    for i, each in ipairs(list) do
      local sent = each.sent == false and "n/a" or ("%d"):format((i - 1) * 1000000)
      lines[i] = ("%d\t%s\t%d\t%d\t%s\t%s\t1\t40\t80\tRMT\t%s\t%s"):format(i - 1, each.event or "pulse", i,
        (i - 1) * 1000000, sent, sent == "n/a" and sent or "0", each.status, each.condition or "pulse")
    end
    local events = assert(record.parse(header .. table.concat(lines, "\n") .. "\n", "events.tsv"))
    return (paragraphs.text(paragraphs.sentences(runs.rows("run", manifest, events)), 100):gsub("%s+", " "))
  end

  local function manifest(more)
    local made = { status = "completed", kind = "protocol", protocol = { id = "x", name = "X" }, device = {},
      moonpulse = { version = "1" }, result = { status = "completed", pulses_planned = 6 } }
    for key, value in pairs(more or {}) do
      made[key] = value
    end
    return made
  end

  it("name each kind of deviation, with its count", function()
    local text = text_of({ { status = "delivered" }, { status = "late", sent = false },
      { status = "late", sent = false }, { status = "close", sent = false }, { status = "perhaps_sent" },
      { status = "otherwise" }, { event = "unasked_pulse", status = "delivered" } }, manifest {
        safety = { verdict = "OVER", table = "T", findings = { { verdict = "OVER", table = "Row 5" } },
          override = { reason = "study B",
          approval_ref = "EK 7" } } })
    for _, wanted in ipairs { "2 pulses were left out (late: it would have left too late).",
      "1 pulse was left out (close: it would have come too close to the one before).",
      "of 1 pulse nobody knows whether it was given (perhaps_sent); counted as given.",
      "1 pulse was given otherwise than set",
      "The stimulator reported 1 pulse that nobody had asked for.",
      "ublished limits were passed: study B (approval EK 7).", "the verdict on the pulses was: OVER (Row 5).",
      "([limits: compare with the papers and cite them; the tables were written from memory])",
      "Of 6 planned pulses, 3 were sent, and the stimulator confirmed the delivery of 1." } do
      assert.matches(wanted, text:gsub("Of 1 pulse nobody", "of 1 pulse nobody"), 1, true)
    end
  end)

  it("say that published limits were passed only where an override was needed for that", function()
    local function words(verdict, ...)
      local override = { reason = "study B", approval_ref = "EK 7" }
      return text_of({ { status = "delivered" } }, manifest {
        safety = { verdict = verdict, table = "T", findings = { ... }, override = override } })
    end
    local over = { verdict = "OVER", table = "Row 5" }
    local lab = { verdict = "OVER", layer = "lab", table = "ours" }
    local tested = { verdict = "beyond tested", table = "Row 5" }
    local sessions = { verdict = "OVER", layer = "sessions", text = "sessions: too soon" }
    assert.matches("Published limits were passed: study B (approval EK 7).", words("OVER", over), 1, true)
    assert.matches("Published limits were passed: study B (approval EK 7).", words("OVER", over, lab), 1,
      true)
    assert.matches("The schedule of sessions was not kept: too soon, with leave: study B (approval EK 7).",
      words("OVER", sessions), 1, true)
    for _, text in ipairs { words "within", words("beyond tested", tested), words("OVER", lab) } do
      assert.is_nil(text:lower():find("published limits were passed", 1, true), text)
    end
    for _, text in ipairs { words "within", words("OVER", lab) } do -- only the lab's file lifts its limits
      assert.is_nil(text:find("study B", 1, true), text)
    end
  end)

  it("count by condition", function()
    local text = text_of({ { status = "delivered", condition = "SICI" }, { status = "late", sent = false,
      condition = "SICI" }, { status = "delivered", condition = "alone" }, { status = "delivered",
        condition = "alone" }, { status = "delivered", condition = "alone" }, { status = "delivered",
        condition = "alone" } }, manifest())
    assert.matches("By condition: SICI 1 of 2 pulses, alone 4 of 4 pulses.", text, 1, true)
  end)

  it("say of a record that was not closed that it was not", function()
    local text = text_of({ { status = "delivered" } }, manifest { status = "running", result = {} })
    assert.matches("The run was not closed: Moonpulse was killed (moonpulse recover)", text,
      1, true)
  end)

  local one = { { status = "delivered" } }

  it("say how many were sent, and delivered only of what was confirmed", function()
    local function of(list, planned)
      return text_of(list, manifest { result = { status = "completed", pulses_planned = planned } })
    end
    assert.matches("The one planned pulse was delivered, as the stimulator confirmed.", of(one, 1), 1, true)
    local two = of({ one[1], one[1] }, 2)
    assert.matches("All 2 planned pulses were delivered, as the stimulator confirmed.", two, 1, true)
    assert.matches("All 2 planned pulses were sent, and the stimulator confirmed none of them.",
      of({ { status = "sent" }, { status = "sent" } }, 2), 1, true)
    assert.matches("Of 3 planned pulses, 1 was delivered, as the stimulator confirmed.", of(one, 3), 1, true)
    assert.matches("Of 3 planned pulses, none was sent.", of({}, 3), 1, true)
    assert.is_nil(of(one, 1):find("from the first to the last", 1, true)) -- there is but one
  end)

  it("say which session it was of how many and of which course; a simulated run is none", function()
    local session = { number = 4, of = 6.0, phase = 1, phases = 2, course = { name = "SAINT with taper" } }
    local real = manifest { session = session, device = { simulated = false } }
    assert.matches("It was session 4 of 6 (phase 1 of 2 of the course SAINT with taper).", text_of(one, real),
      1, true)
    session.course, session.phase = nil, nil
    assert.matches("It was session 4 of 6.", text_of(one, real), 1, true)
    real.device.simulated = true
    assert.matches("Each participant had [sessions: ", text_of(one, real), 1, true)
  end)

  it("ask for muscle and criterion where the preflight says only that it was by EMG", function()
    local wanted = "The resting motor threshold was 50 %MSO (by EMG, [threshold: state in which muscle and "
      .. "by which criterion it was found])."
    local asked = { { id = "threshold_method", question = "How?", answer = "emg" } }
    local made = manifest { thresholds = { rmt = { value = 50 } }, preflight = asked }
    assert.matches(wanted, text_of(one, made), 1, true)
    made.thresholds.rmt.how = "by EMG" -- as a run writes it
    assert.matches(wanted, text_of(one, made), 1, true)
    local facts = runs.rows("run", made, assert(record.parse(header, "events.tsv")))
    local item = checklists.of("chipchase", facts).items[24]
    assert.are.equal("asked for", item.status)
    assert.matches("so far only: by EMG", item.fill, 1, true)
  end)

  it("say that a trigger fired the pulses, or let them be sent, and ask what it was", function()
    local text = text_of(one, manifest { device = { trigger = { on = "ttyUSB1", text = "rts" } } })
    assert.matches("Each pulse was fired by a trigger (rts), not by a command.", text, 1, true)
    assert.is_nil(text_of(one, manifest()):find("trigger", 1, true))
  end)

  it("say of a box that it is none of the stimulators, and of a nerve that the tables do not judge it",
    function()
      local box = manifest { device = { name = "pulsepal", description = "Pulse Pal 2", simulated = false },
        protocol = { id = "x", name = "X", nerve = { "1" } }, safety = { verdict = "within",
          table = "Rossi 2009 Table 4" } }
      local text = text_of({ { status = "sent" } }, box)
      for _, wanted in ipairs { "The pulses were timed and triggered by a Pulse Pal 2.",
        "The nerve was stimulated (channel 1) by a [nerve stimulator: ", "The intensity was set by hand",
        "the stimulator confirmed nothing: it cannot say that it fired", "the verdict on the pulses to the "
          .. "brain was: within.", "The pulses to the nerve (channel 1) were not judged" } do
        assert.matches(wanted, text, 1, true)
      end
      assert.is_nil(text:find("stimulator was a Pulse Pal", 1, true))
      assert.is_nil(text:find("Table 4", 1, true)) -- no row of it was used
      box.protocol.nerve = nil
      assert.matches("The magnetic stimulator was a [stimulator: state make and model]", text_of(one, box), 1,
        true)
    end)

  it("take coil, waveform and direction from the manifest, with their source", function()
    local made = manifest { device = { description = "MagPro", coil = { value = "C-B60",
      source = "operator" },
      waveform = { value = "Biphasic", source = "device" }, current_direction = "Normal", firmware = "7.1" },
      thresholds = { rmt = { value = 50, how = "MLE, EMG, FDI", date = "2026-11-27" } } }
    local events = assert(record.parse(header, "events.tsv"))
    local facts = runs.rows("run", made, events, { coil = "another", waveform = "another" })
    assert.are.same({ value = "C-B60", source = "operator" }, facts.known.coil)
    assert.are.same({ value = "Biphasic", source = "device" }, facts.known.waveform)
    assert.are.same({ value = "Normal", source = "device" }, facts.known.current_direction)
    local text = paragraphs.text(paragraphs.sentences(facts), 1000)
    assert.matches("threshold was 50 %MSO (MLE, EMG, FDI), measured on 27 November 2026.", text, 1, true)
  end)
end)
