--- The preflight: what is asked, what is kept, and that nothing goes beyond what was tested without it.
local gate = require "moonpulse.safety.gate"
local judge = require "moonpulse.safety.judge"
local mp = require "moonpulse"
local preflight = require "moonpulse.safety.preflight"
local shell = require "shell"

local function report_of(pulses)
  return judge.plan { plan = mp.train { pulses = pulses, hz = 5, intensity = mp.rmt(100) }, seed = 1,
    thresholds = { rmt = 50 } }
end

local function concat(a, b)
  return table.move(b, 1, #b, #a + 1, table.move(a, 1, #a, 1, {}))
end

--- Ask with these answers by id, y where nothing is said; the answers, or nil, why they refuse, and what was
--- answered until then.
local function asked(questions, given)
  local at = 0
  local function answer()
    at = at + 1
    local question = questions[at]
    return given[question.id] or question.id == "threshold_method" and "visual"
      or question.id == "monitoring" and "EMG" or "y"
  end
  local answers, message = preflight.ask(questions, answer, "AB")
  return not message and answers or nil, message, answers
end

describe("the preflight", function()
  it("asks for both ears, the threshold's way and the first session, and keeps the wording", function()
    local answers = assert(asked(preflight.questions, { first_session = "no" }))
    local by_id = {}
    for i, each in ipairs(answers.answers) do
      assert.are.equal(preflight.questions[i].text, each.question)
      by_id[each.id] = each.answer
    end
    assert.are.same({ "y", "y", "visual", "n" }, { by_id.ear_protection, by_id.operator_ear_protection,
      by_id.threshold_method, by_id.first_session })
    for id, wrong in pairs { threshold_method = "y", operator_ear_protection = "n", first_session = "" } do
      local nothing, message, kept = asked(preflight.questions, { [id] = wrong })
      assert.is_nil(nothing)
      assert.matches(id, message, 1, true)
      local last = kept.answers[#kept.answers]
      assert.are.same({ preflight.questions[#kept.answers].id, id, wrong }, { last.id, last.id, last.answer })
    end
  end)

  it("asks once where a plan is beyond what was tested, and which monitoring runs", function()
    assert.are.same({}, preflight.beyond(report_of(50))) -- 5 Hz: tested to 10 s
    local more = preflight.beyond(report_of(51))
    assert.are.same({ "beyond_tested", "monitoring" }, { more[1].id, more[2].id })
    assert.matches("beyond tested: train duration: 10.2 s", more[1].text, 1, true)
    local answers = assert(asked(concat(preflight.questions, more), {}))
    assert.is_true(preflight.allows_beyond(answers))
    assert.are.equal("emg", answers.answers[#answers.answers].answer)
    for id, wrong in pairs { beyond_tested = "n", monitoring = "none" } do
      assert.is_nil((asked(more, { [id] = wrong })))
    end
  end)

  it("names the channels that are declared as a nerve's, and takes only a yes", function()
    assert.are.same({}, preflight.nerves(nil))
    local coverages = require "moonpulse.safety.coverage"
    local declared = { nerve = { "median", "ulnar" } }
    local names = coverages.nerves(coverages.of(declared, { nerve = true }))
    local questions = preflight.nerves(names)
    assert.matches("Channel median, ulnar is declared as a nerve's", questions[1].text, 1, true)
    assert.are.equal("nerve_channels", assert(asked(questions, {})).answers[1].id)
    assert.is_nil((asked(questions, { nerve_channels = "n" })))
    assert.is_nil(coverages.nerves(coverages.of(declared, {}))) -- a coil's device
  end)

  it("lets an experiment say beforehand, and the gate holds it to that", function()
    local questions = preflight.beyond_of_experiment()
    local no = assert(asked(questions, { beyond_tested = "n" }))
    assert.are.equal(1, #no.answers)
    assert.is_false(preflight.allows_beyond(no))
    assert.is_true(preflight.allows_beyond(assert(asked(questions, {}))))
    local refused = { real = true, beyond_refused = true }
    assert.is_nil(gate.refusal(report_of(50), refused))
    assert.matches("the preflight did not confirm it: train duration", gate.refusal(report_of(51), refused),
      1, true)
    assert.is_nil(gate.refusal(report_of(51), { real = true, beyond_refused = false }))
    assert.is_nil(gate.refusal(report_of(51), { real = false, beyond_refused = true }))
  end)

  it("reads a lab's own list, and names the line that it cannot read", function()
    local folder = shell.folder()
    local function load(text)
      shell.write(folder .. "/list.txt", text)
      local list, message = preflight.load(folder .. "/list.txt")
      return list, message and message:gsub("^.*/", "")
    end
    assert.are.same({ { id = "brain", text = "Is the head marked?" },
      { id = "way", text = "EMG or eye?", choices = { "emg", "visual" } } },
      load "# ours\n\nbrain\tIs the head marked?\nway\tEMG or eye?\temg|visual\n")
    assert.are.same({ { id = "item_1", text = "Is EMG connected?" }, { id = "item_2", text = "is it on" } },
      load "Is EMG connected?\nis it on\n")
    assert.are.same({ { id = "a", text = "Is it?" }, { id = "item_2", text = "Ear plugs in?" } },
      load "a\tIs it?\nEar plugs in?\n")
    for text, words in pairs {
      ["# ours\nbrain Is the head marked?\nway\tEMG or eye?\temg|visual\n"] =
        'list.txt:2: there is no tab in "brain Is the head marked?": write id<tab>question, or',
      ["way\tEMG or eye?\n\n\nbrain Is it?"] = 'list.txt:4: there is no tab in "brain Is it?"',
      ["brain    Is it?\n"] = 'list.txt:1: there is no tab in "brain    Is it?"', -- made by an editor
      ["the brain\tIs it?\n"] = 'list.txt:1: "the brain" is no id (letters, digits, _ and -): write',
      ["a\tIs it?\n# x\na\tIs it?\n"] = 'list.txt:3: "a" is line 1\'s id as well',
      ["# nothing\n"] = "list.txt has no question: write one a line",
    } do
      local list, message = load(text)
      assert.is_nil(list)
      assert.are.equal(words, message:sub(1, #words))
    end
    shell.remove(folder)
  end)
end)
