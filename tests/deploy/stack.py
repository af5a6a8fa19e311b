"""What template.yaml comes to: translated as AWS SAM does, its conditions decided for given parameters."""

import functools
import logging
import os
import re
from pathlib import Path

import yaml
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

ROOT = Path(__file__).resolve().parents[2]

# The least that somebody has to say.
REQUIRED = {"BucketName": "config", "VpcId": "vpc-1", "SubnetIds": ["subnet-1", "subnet-2"]}

PSEUDO = {
    "AWS::Region": "eu-west-2",
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackId": "arn:aws:cloudformation:eu-west-2:123456789012:stack/the-config-of-flags/0a1b2c3d-1-2-3-4e5f",
    "AWS::StackName": "the-config-of-flags",
}
NOTHING = {"Ref": "AWS::NoValue"}


class _Loader(yaml.SafeLoader):
    """YAML with the short forms of CloudFormation's functions."""


def _short_form(loader, name, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if name in ("Ref", "Condition"):
        return {name: value}
    return {"Fn::" + name: value.split(".", 1) if name == "GetAtt" else value}


yaml.add_multi_constructor("!", _short_form, _Loader)


def source():
    """The template as it is written."""
    return yaml.load((ROOT / "template.yaml").read_text(), _Loader)


@functools.cache
def translated():
    """The template as AWS SAM hands it to CloudFormation."""
    os.environ.setdefault("AWS_DEFAULT_REGION", PSEUDO["AWS::Region"])
    logging.disable(logging.WARNING)  # of its own telemetry, which it has none of here
    template = source()
    template["Resources"]["Function"]["Properties"]["CodeUri"] = "s3://packages/redis-sync"
    return Translator(None, Parser()).translate(template, {})


class Stack:
    """The template with parameters."""

    def __init__(self, **parameters):
        template = translated()
        self.parameters = {
            name: parameter.get("Default") for name, parameter in template["Parameters"].items()
        } | REQUIRED | parameters
        unknown = set(self.parameters) - set(template["Parameters"])
        assert not unknown, f"no such parameters: {unknown}"
        self._conditions = template["Conditions"]
        self.rules = template["Rules"]
        self._kept = {
            name: resource
            for name, resource in template["Resources"].items()
            if "Condition" not in resource or self.decide({"Condition": resource["Condition"]})
        }
        self.resources = {name: self.resolve(resource) for name, resource in self._kept.items()}
        self.outputs = {
            name: self.resolve(output["Value"])
            for name, output in template["Outputs"].items()
            if "Condition" not in output or self.decide({"Condition": output["Condition"]})
        }

    def of_type(self, kind):
        """The properties of all resources of a type, by name."""
        return {name: r["Properties"] for name, r in self.resources.items() if r["Type"] == kind}

    def properties(self, name):
        """The properties of a resource."""
        return self.resources[name]["Properties"]

    def statements(self):
        """The statements of the function's role, by their identifier."""
        [policy] = self.properties("FunctionRole")["Policies"]
        return {statement["Sid"]: statement for statement in policy["PolicyDocument"]["Statement"]}

    def refused(self):
        """What the rules say against the parameters."""
        return [
            assertion["AssertDescription"]
            for rule in self.rules.values()
            if self.decide(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self.decide(assertion["Assert"])
        ]

    def decide(self, condition):
        """Whether a condition holds."""
        [(function, value)] = condition.items()
        if function == "Condition":
            return self.decide(self._conditions[value])
        if function == "Fn::Not":
            return not self.decide(value[0])
        if function == "Fn::And":
            return all(self.decide(one) for one in value)
        if function == "Fn::Or":
            return any(self.decide(one) for one in value)
        assert function == "Fn::Equals", function
        left, right = (str(self.resolve(one)) for one in value)
        return left == right

    def resolve(self, value):
        """A value without functions; what only AWS knows stands as `<Resource.Attribute>`."""
        if isinstance(value, list):
            return [self.resolve(one) for one in value if not self._is_nothing(one)]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(function, argument)] = value.items()
            if function == "Ref":
                return self._reference(argument)
            if function.startswith("Fn::"):
                return self._call(function[4:], argument)
        return {name: self.resolve(one) for name, one in value.items() if not self._is_nothing(one)}

    def _is_nothing(self, value):
        while isinstance(value, dict) and "Fn::If" in value:
            value = self._chosen(value["Fn::If"])
        return value == NOTHING

    def _chosen(self, argument):
        condition, then, otherwise = argument
        return then if self.decide({"Condition": condition}) else otherwise

    def _reference(self, name):
        if name in PSEUDO:
            return PSEUDO[name]
        if name in self.parameters:
            return self.parameters[name]
        assert name in self._kept, f"{name} is referred to and not there"
        return f"<{name}>"

    def _attribute(self, name, attribute):
        assert name in self._kept, f"{name}.{attribute} is referred to and {name} is not there"
        return f"<{name}.{attribute}>"

    def _call(self, function, argument):
        if function == "If":
            return self.resolve(self._chosen(argument))
        if function == "GetAtt":
            return self._attribute(*argument)
        if function == "Sub":
            text, own = argument if isinstance(argument, list) else (argument, {})
            own = {name: self.resolve(one) for name, one in own.items()}

            def substituted(match):
                name = match[1]
                if name in own:
                    return str(own[name])
                return self._attribute(*name.split(".", 1)) if "." in name else str(self._reference(name))

            return re.sub(r"\$\{([^!}]+)\}", substituted, text)
        if function == "Join":
            return argument[0].join(str(one) for one in self.resolve(argument[1]))
        if function == "Split":
            return self.resolve(argument[1]).split(argument[0])
        assert function == "Select", function
        place, values = self.resolve(argument[0]), self.resolve(argument[1])
        return values[place] if isinstance(values, list) and place < len(values) else f"<{values}>"
